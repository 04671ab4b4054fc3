"""CSV and NDJSON: every text comes back as it was, and no spreadsheet calculates one."""

import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.transfer.errors import FileUnreadable
from service.transfer.formats import (
    Format,
    Line,
    detect_kind,
    protect,
    read_lines,
    unprotect,
    write_head,
    write_rows,
)
from service.transfer.rows import PlayerLine, PlayerRow, SessionLine, SessionRow

NOW = datetime(2026, 11, 23, 19, 23, 43, 313_000, tzinfo=UTC)
DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
TEXTS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "\uff1d1", "'=1", "''=1", "'", "''",
    "'Abdul", "-", "=", "a=b", "a,b", 'a"b', '"', "a\r\nb", "null", "true", "007", "1e5", " ",
]  # fmt: skip


async def read(
    content: bytes, row_type: Any, format_: Format = "csv", size: int = 7
) -> Sequence[Line[Any]]:
    async def cut() -> AsyncIterator[bytes]:
        for start in range(0, len(content), size):
            yield content[start : start + size]

    return [line async for lines in read_lines(cut(), row_type, format_) for line in lines]


async def read_faults(content: bytes, row_type: Any) -> list[tuple[int, str, str]]:
    """Return line, field and message of each line that is wrong."""
    faults = []
    for number, row in await read(content, row_type):
        if isinstance(row, InvalidRequest):
            (wrong,) = row.fields
            faults.append((number, wrong.field, wrong.message))
    return faults


@given(st.text() | st.text(alphabet=DANGEROUS + "'a"))
def test_protected_text_is_no_formula_and_comes_back(text: str) -> None:
    cell = protect(text)
    assert cell[:1] not in set(DANGEROUS)
    assert unprotect(cell) == text


METADATA = b'{"car": "AE86, \\"white\\"", "laps": [1, 2.5]}'


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
async def test_sessions_come_back_as_they_were(format_: Format) -> None:
    keys = [text if re.fullmatch("[!-~]+", text) else "k" for text in TEXTS]
    rows = [
        SessionRow(7, 1, text, text, -5, text, key, None, None, NOW)
        for text, key in zip(TEXTS, keys, strict=True)
    ] + [SessionRow(8, 1, "ada", None, 5, "solo", "k", msgspec.Raw(METADATA), NOW, NOW)]
    content = write_head(SessionRow, format_) + write_rows(rows, format_)
    for size in (1, 1_000_000):
        lines = [line.row for line in await read(content, SessionLine, format_, size)]
        assert lines == [
            SessionLine(
                score=row.score,
                idempotency_key=row.idempotency_key,
                submitted_at=row.submitted_at,
                game_mode=row.game_mode,
                user_id=row.user_id,
                external_id=row.external_id,
                username=row.username,
                session_id=row.session_id,
                metadata=None if row.metadata is None else msgspec.json.decode(METADATA),
                revoked_at=row.revoked_at,
            )
            for row in rows
        ]


async def test_numbers_stay_numbers() -> None:
    row = SessionRow(7, 1, "-5", None, -5, "=x", "k", None, None, NOW)
    content = write_head(SessionRow, "csv") + write_rows([row], "csv")
    head, cells = csv.reader(io.StringIO(content.decode()))
    assert dict(zip(head, cells, strict=True)) == {
        "session_id": "7", "user_id": "1", "username": "'-5", "external_id": "", "score": "-5",
        "game_mode": "'=x", "idempotency_key": "k", "metadata": "", "revoked_at": "",
        "submitted_at": "2026-11-23T19:23:43.313000Z",
    }  # fmt: skip


async def test_players_are_read_with_any_columns_and_ends_of_lines() -> None:
    for content in (
        b"username,external_id\r\nada,own:1\r\n\r\ngrace,\r\n",
        b"\xef\xbb\xbfexternal_id,username\nown:1,ada\n,grace",
        b'"username","external_id"\n"ada","own:1"\n"grace",""\n',
    ):
        rows = [line.row for line in await read(content, PlayerLine)]
        assert rows == [PlayerLine("ada", "own:1"), PlayerLine("grace")]


async def test_wrong_line_is_told_by_number_and_field() -> None:
    head = b"username,user_id,joined_at\n"
    for line, field, words in (
        (b",,", "username", "required"),
        (b"ada,x,", "user_id", "Expected `int"),
        (b"ada,0,", "user_id", ">= 1"),
        (b"ada,9007199254740991,", "user_id", "<="),
        (b"ada,,2026", "joined_at", "2026-11-23T19:23:43Z"),
        (b"ada,,2026-11-23T19:23:43", "joined_at", "with its zone"),
        (b"ada,", "line", "Expected 3 cells, got 2"),
        (b"ada,,,", "line", "Expected 3 cells, got 4"),
        (b'ada,"x"y,', "line", "Expected CSV"),
        (b"\xff,,", "line", "UTF-8"),
    ):
        content = head + b'"two\nlines",,\n' + line + b"\ngrace,,\n"
        ((number, name, message),) = await read_faults(content, PlayerLine)
        assert (number, name) == (4, field), line
        assert words in message


@pytest.mark.parametrize(
    ("content", "line", "field", "words"),
    [
        (b"", 1, "header", "none"),
        (b"\n\n", 1, "header", "none"),
        (b"username,colour\nada,red\n", 1, "header", "'colour' is none of external_id, joined_at"),
        (b"username,username\nada,ada\n", 1, "header", "twice"),
        (b"user_id\n1\n", 1, "header", "'username' is missing"),
        (b'username\nada\n"grace\nlinus\n', 3, "line", "quote"),
        (b"username\nada\n" + b"x" * 70_000, 3, "line", "longer than 65,536 bytes"),
        (b'username\nada\n"' + b"x\n" * 40_000, 3, "line", "quote"),
    ],
)
async def test_file_that_cannot_be_read_on_says_from_where(
    content: bytes, line: int, field: str, words: str
) -> None:
    with pytest.raises(FileUnreadable) as error:
        await read(content, PlayerLine, size=1_000)
    assert error.value.line == line
    assert f"Line {line} " in error.value.message
    (wrong,) = error.value.fields
    assert (wrong.field, words in wrong.message) == (field, True)


def test_file_tells_what_it_holds() -> None:
    for beginning, expected in {
        write_head(PlayerRow, "csv"): (PlayerLine, "csv"),
        write_head(SessionRow, "csv"): (SessionLine, "csv"),
        write_rows([PlayerRow(1, "ada", None, "active", None, NOW)], "ndjson"): (
            PlayerLine,
            "ndjson",
        ),
        b'\xef\xbb\xbf\n"score","username"\n': (SessionLine, "csv"),
        b' {"score": 1}\n{"username"}': (SessionLine, "ndjson"),
        b"": (PlayerLine, "csv"),
    }.items():
        assert detect_kind(beginning) == expected
