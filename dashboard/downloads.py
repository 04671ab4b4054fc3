"""Exports and screenshots: written to the console's folder, or downloaded by the browser."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Final

from textual import events
from textual.app import App

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


def drop_outside_fonts(screenshot: str) -> str:
    """Return a screenshot that loads no fonts from another site."""
    return _OUTSIDE_FONTS.sub("", screenshot)


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


class DownloadApp(App[None]):
    """An app that saves files and says where they are."""

    def download_screenshot(self, name: str) -> None:
        """Save the screen as an SVG file."""
        self.deliver_text(
            io.StringIO(drop_outside_fonts(self.export_screenshot())),
            save_directory=Path.cwd(),
            save_filename=name,
            open_method="browser",
            mime_type="image/svg+xml",
            name="Screenshot",
        )

    def download_rows(self, rows: Iterable[Mapping[str, object]], name: str, what: str) -> None:
        """Write rows in the format by which the name ends, and say `what` they are."""
        try:
            text = write_rows(rows, name)
        except UnknownFormat:
            self.notify(
                "Not exported: end the name in .csv or .json.", severity="warning", markup=False
            )
            return
        path = Path.cwd() / name
        self.deliver_text(
            io.StringIO(text),
            save_directory=path.parent,
            save_filename=path.name,
            name=f"Export of {what}" if what else "Export",
        )

    def on_delivery_complete(self, event: events.DeliveryComplete) -> None:
        """Say where the file is."""
        where = "handed to the browser" if event.path is None else f"written to {event.path}"
        self.notify(f"{event.name} {where}", markup=False)

    def on_delivery_failed(self, event: events.DeliveryFailed) -> None:
        """Say why there is no file."""
        self.notify(f"{event.name} not written: {event.exception}", severity="error", markup=False)
