"""Breaks sentences into lines of cells: a wide character takes two, a mark on a letter none."""

import re
from bisect import bisect
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, chop_cells

from dashboard.text.names import ELLIPSIS

_WORD: Final = re.compile(r"\s*\S+")


# Five hundred events are shown five times a second.
@lru_cache(maxsize=1024)
def wrap_text(text: str, room: int, *, most: int | None = None, last: str = "") -> tuple[str, ...]:
    """Return a text, and behind it what is said `last`, in lines of at most `room` cells.

    Of a text for more than `most` lines the end goes and an ellipsis says so. What is said last
    stays: it is what to do.
    """
    lines = tuple(_break_lines(text + last, room))
    if most is None or len(lines) <= most:
        return lines

    def shorten(length: int) -> tuple[str, ...]:
        return tuple(_break_lines(text[:length].rstrip() + ELLIPSIS + last, room))

    longest = bisect(range(len(text)), most, key=lambda length: len(shorten(length))) - 1
    return shorten(max(0, longest))


def _break_lines(text: str, room: int) -> Iterator[str]:
    """Yield the lines; blanks go only where one ends."""
    # A widget that has no place yet has no room: there is nothing to break the text for.
    if text.strip() and (room < 1 or cell_len(text) <= room):
        yield text.rstrip()
        return
    line = ""
    for word in _WORD.findall(text):
        if cell_len(line + word) <= room:
            line += word
            continue
        if line:
            yield line
        # What has no blank is broken wherever a line is full; of no width at all it is whole.
        *full, line = chop_cells(word.lstrip(), room) or [word.lstrip()]
        yield from full
    if line:
        yield line
