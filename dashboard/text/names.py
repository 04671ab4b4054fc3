"""Makes a player's name harmless: it is data, chosen by a stranger, shown in a terminal."""

import unicodedata
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, get_character_cell_size

# A line holds other columns behind the name; marks that turn the direction would reorder them.
_BIDI_CONTROLS: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)

# Terminals disagree on how wide joined emoji are; taken apart, their widths are certain.
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")

_REPLACEMENT: Final = "\ufffd"
_DELETE: Final = 0x7F
_FIRST_PRINTABLE: Final = 0x20
_CONTROL_PICTURES: Final = 0x2400
_DELETE_PICTURE: Final = "\u2421"

# More marks on one letter than any script needs spill over the lines above and below.
_MOST_MARKS: Final = 2

ELLIPSIS: Final = "…"


@lru_cache(maxsize=8192)
def clean_name(name: str) -> str:
    """Return a name with nothing in it that a terminal obeys.

    Control characters become visible (ESC is ␛), direction marks and joiners go, whatever else has
    no glyph becomes U+FFFD. A name of which nothing is left is shown as `(blank)`.
    """
    if name.isascii() and name.isprintable():
        return name if name.strip() else "(blank)"
    cleaned: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", name):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if character in _BIDI_CONTROLS or character in _JOINERS or marks > _MOST_MARKS:
            continue
        cleaned.append(_show_character(character, category))
    text = "".join(cleaned)
    return text if text.strip() and cell_len(text) else "(blank)"


def _show_character(character: str, category: str) -> str:
    code = ord(character)
    if code < _FIRST_PRINTABLE:
        return chr(_CONTROL_PICTURES + code)
    if code == _DELETE:
        return _DELETE_PICTURE
    if category[0] == "C" or category in {"Zl", "Zp"}:
        return _REPLACEMENT
    return " " if category == "Zs" else character


def quote_name(name: str, width: int = 40) -> str:
    """Return a clean name in quotes, in at most `width` cells and with an ellipsis where cut."""
    return f"“{fit_name(name, width - 2).rstrip()}”"


@lru_cache(maxsize=8192)
def fit_name(name: str, width: int) -> str:
    """Return a clean name in exactly `width` cells: cut with an ellipsis, or padded."""
    cleaned = clean_name(name)
    length = cell_len(cleaned)
    if length <= width:
        return cleaned + " " * (width - length)
    kept: list[str] = []
    room = width - 1
    for character in cleaned:
        size = get_character_cell_size(character)
        if size > room:
            break
        kept.append(character)
        room -= size
    return "".join(kept) + ELLIPSIS + " " * room
