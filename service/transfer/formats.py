"""CSV and NDJSON: how rows are written, and read again line by line.

CSV is RFC 4180 with a header. Spreadsheets take a cell that begins with = + - @ or a control
character for a formula, also where it is a name that a stranger chose. So such a text is written
with an apostrophe in front, which reading takes away. A text that looks as if it had got one gets
one more: every text comes back as it was. Numbers and times are left alone.
"""

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec

from service.errors import InvalidRequest
from service.http.requests import decode_body, locate_error
from service.transfer.errors import FileUnreadable, LineRefused
from service.transfer.rows import PlayerLine, SessionLine

Format = Literal["csv", "ndjson"]

MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}

_LONGEST_LINE: Final = 64 * 1024

# The wide forms are formulas to spreadsheets in East Asian languages.
_FORMULA: Final = re.compile("'*[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]")
_WRITTEN_FORMULA: Final = re.compile("'" + _FORMULA.pattern)

_encode: Final = msgspec.json.Encoder().encode_lines

Row = TypeVar("Row", bound=PlayerLine | SessionLine)


def protect(text: str) -> str:
    """Return a text as a cell that no spreadsheet calculates."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotect(cell: str) -> str:
    """Return the text of a cell that `protect` wrote."""
    return cell[1:] if _WRITTEN_FORMULA.match(cell) else cell


def write_head(row_type: type[msgspec.Struct], format_: Format) -> bytes:
    """Return what comes before all rows."""
    if format_ == "ndjson":
        return b""
    return ",".join(row_type.__struct_fields__).encode() + b"\r\n"


def write_rows(rows: Sequence[msgspec.Struct], format_: Format) -> bytes:
    """Return rows as they are sent."""
    if format_ == "ndjson":
        return _encode(rows)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [_write_cell(value) for value in msgspec.structs.astuple(row)] for row in rows
    )
    return text.getvalue().encode()


def _write_cell(value: Any) -> Any:
    if isinstance(value, str):
        return protect(value)
    if isinstance(value, msgspec.Raw):
        # An object: no spreadsheet calculates what begins with a brace.
        return bytes(value).decode()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def detect_kind(beginning: bytes) -> tuple[type[PlayerLine] | type[SessionLine], Format]:
    """Return what a file holds, by its header or its first object; sessions have a score."""
    first = beginning.removeprefix(BOM_UTF8).lstrip()
    line = first.partition(b"\n")[0]
    is_csv = not first.startswith(b"{")
    names = line.replace(b'"', b"").strip().split(b",") if is_csv else []
    has_score = b"score" in names if is_csv else b'"score"' in line
    return SessionLine if has_score else PlayerLine, "csv" if is_csv else "ndjson"


class Line(NamedTuple, Generic[Row]):
    """One line of a file: its number, from 1, and what it says or what is wrong with it."""

    number: int
    row: Row | InvalidRequest


async def read_lines(
    parts: AsyncIterable[bytes], row_type: type[Row], format_: Format
) -> AsyncIterator[list[Line[Row]]]:
    """Yield the rows of a file that arrives in parts, some at a time.

    Raises `FileUnreadable` where it cannot go on.
    """
    reader: _CsvReader[Row] | _NdjsonReader[Row]
    reader = _CsvReader(row_type) if format_ == "csv" else _NdjsonReader(row_type)
    number = 0
    rest = b""
    async for part in parts:
        lines = (rest + part).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            raise FileUnreadable(number + len(lines) + 1, "line", _TOO_LONG)
        yield list(reader.read(_number(lines, number)))
        number += len(lines)
    if rest:
        yield list(reader.read(_number([rest], number)))
    reader.finish()


_TOO_LONG: Final = f"it is longer than {_LONGEST_LINE:,} bytes"


def _number(lines: Iterable[bytes], before: int) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, before + 1):
        yield number, line.removeprefix(BOM_UTF8) if number == 1 else line


class _NdjsonReader(Generic[Row]):
    def __init__(self, row_type: type[Row]) -> None:
        self._decoder: msgspec.json.Decoder[Row] = msgspec.json.Decoder(row_type)

    def read(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Line[Row]]:
        for number, line in lines:
            if not line.strip():
                continue
            try:
                yield Line(number, decode_body(self._decoder, line))
            except InvalidRequest as error:
                yield Line(number, error if error.fields else _explain_unreadable(line, error))

    def finish(self) -> None:
        """Note that nothing follows."""


class _CsvReader(Generic[Row]):
    """Reads CSV whose cells may hold ends of lines, as long as they are quoted."""

    def __init__(self, row_type: type[Row]) -> None:
        self._row_type: type[Row] = row_type
        fields = msgspec.structs.fields(row_type)
        self._known: set[str] = {field.name for field in fields}
        self._required: set[str] = {field.name for field in fields if field.required}
        self._header: list[str] | None = None
        # A record that goes on in the next line, and the number of its first.
        self._open: list[bytes] = []
        self._open_number = 0
        self._open_bytes = 0
        self._in_quotes = False

    def read(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[Line[Row]]:
        for number, line in lines:
            if not self._open:
                if not line.strip():
                    continue
                self._open_number, self._open_bytes, self._in_quotes = number, 0, False
            self._open.append(line)
            # Counted as they come: a quote that is never closed would be counted anew each line.
            self._open_bytes += len(line)
            self._in_quotes ^= line.count(b'"') % 2 == 1
            if self._in_quotes:
                if self._open_bytes > _LONGEST_LINE:
                    self.finish()
                continue
            record, self._open = b"\n".join(self._open), []
            if self._header is None:
                self._header = self._read_header(self._open_number, record)
            else:
                yield Line(self._open_number, self._read_record(self._header, record))

    def finish(self) -> None:
        """Raise `FileUnreadable` where a record has no end, or nothing was there at all."""
        if self._open:
            raise FileUnreadable(self._open_number, "line", 'it opens a quote (") and ends in it')
        if self._header is None:
            raise FileUnreadable(1, "header", "there is none, the file is empty")

    def _read_header(self, number: int, record: bytes) -> list[str]:
        try:
            names = [name.strip() for name in _split(record)]
        except InvalidRequest as error:
            raise FileUnreadable(number, "header", error.fields[0].message) from error
        allowed = ", ".join(sorted(self._known))
        for name in names:
            if name not in self._known:
                if found := _OTHER_SEPARATOR.search(name):
                    fault = f"the cells are separated by {found[0]!r}; expected commas"
                    raise FileUnreadable(number, "header", fault)
                raise FileUnreadable(number, "header", f"{name!r} is none of {allowed}")
            if names.count(name) > 1:
                raise FileUnreadable(number, "header", f"{name!r} is there twice")
        for name in sorted(self._required - set(names)):
            raise FileUnreadable(number, "header", f"{name!r} is missing")
        return names

    def _read_record(self, header: list[str], record: bytes) -> Row | InvalidRequest:
        try:
            cells = _split(record)
        except InvalidRequest as error:
            return error
        if len(cells) != len(header):
            return LineRefused("line", f"Expected {len(header)} cells, got {len(cells)}")
        given: dict[str, Any] = {
            name: unprotect(cell) if name in _TEXTS else cell
            for name, cell in zip(header, cells, strict=True)
            if cell
        }
        for name in _TIMES & given.keys():
            if not _DATE.match(given[name]):
                return LineRefused(name, "Expected a time such as 2026-11-23T19:23:43Z")
        if "metadata" in given:
            try:
                given["metadata"] = msgspec.json.decode(given["metadata"])
            except (msgspec.DecodeError, RecursionError) as error:
                return LineRefused("metadata", f"Expected JSON: {error}")
        try:
            # Not strict: every cell is a text, also one with a number in it.
            row: Row = msgspec.convert(given, self._row_type, strict=False)
        except msgspec.ValidationError as error:
            wrong = locate_error(str(error), self._row_type)
            return LineRefused(wrong.field, wrong.message)
        return row


_TIMES: Final = {"joined_at", "submitted_at", "revoked_at", "state_until"}
# A number would be taken for seconds since 1970, also 2026, of which the rest was cut off.
_DATE: Final = re.compile("[0-9]{4}-")
# What programs write for whom a comma is in numbers.
_OTHER_SEPARATOR: Final = re.compile("[;\t|]")
_TEXTS: Final = frozenset({"username", "external_id", "game_mode", "idempotency_key"})


def _split(record: bytes) -> list[str]:
    """Return the cells of a record; raises `InvalidRequest`."""
    try:
        text = record.decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        raise _refuse_bytes(error) from error
    try:
        (cells,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise LineRefused("line", f"Expected CSV: {error}") from error
    return cells


def _explain_unreadable(line: bytes, error: InvalidRequest) -> InvalidRequest:
    """Return what is wrong with a line of which no field can be named."""
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return _refuse_bytes(wrong)
    return LineRefused("line", error.message.replace("The body", "It", 1))


def _refuse_bytes(error: UnicodeDecodeError) -> InvalidRequest:
    byte = error.object[error.start]
    return LineRefused("line", f"Expected UTF-8, got the byte {byte:#04x}; save the file as UTF-8")
