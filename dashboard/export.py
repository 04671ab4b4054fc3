"""Figures and pictures as files for other programs."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Final

FORMATS: Final = (".csv", ".json")

# A spreadsheet takes a text that begins so for a formula, and runs it.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")

_OUTSIDE_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class UnknownFormat(Exception):
    """The file name does not say CSV or JSON."""


def write_rows(rows: Iterable[Mapping[str, object]], file_name: str) -> str:
    """Return rows as CSV or JSON, by the file name's ending. Raises `UnknownFormat`.

    In CSV a text that a spreadsheet would run gets an apostrophe in front; JSON is exact.
    """
    match PurePath(file_name).suffix.lower():
        case ".json":
            return json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n"
        case ".csv":
            return _write_csv(list(rows))
        case _:
            raise UnknownFormat


def drop_outside_fonts(picture: str) -> str:
    """Return a screenshot whose viewer does not ask another site for its letters."""
    return _OUTSIDE_FONTS.sub("", picture)


def _write_csv(rows: list[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(_defuse(value) for value in row.values())
    return text.getvalue()


def _defuse(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
