"""The console's marks in ASCII, for a terminal that shows nothing else."""

from collections.abc import Mapping
from typing import Final

from rich.cells import get_character_cell_size

# A mark for a mark, each in one cell, and no two of one meaning alike: ✓ ok and ✕ away above all.
_MARKS: Final = {
    "✓": "+", "✕": "X", "▲": "^", "▼": "v", "●": "*", "○": "o", "◐": "%", "◆": "&", "■": "#",
    "‖": "=", "…": "~", "·": "-", "»": ">", "«": "<", "→": ">", "←": "<", "↑": "^", "↓": "v",
    "↻": "@", "⏎": "<", "\u2212": "-", "\u2013": "-", "—": "-", "±": "+", "\u00d7": "x", "•": ".",
    "“": '"', "”": '"', "\u2018": "'", "\u2019": "'", "▏": "|", "▕": "|", "▎": "|",
    "▊": "|", "▌": "|", "▐": "|", "▔": "-", "░": ".", "▒": ":", "▓": "#", "□": "[",
    "◂": "<", "▸": ">", "▶": ">", "▷": ">",
}  # fmt: skip
_GRAPH: Final = dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True))
_LINES: Final = {**dict.fromkeys("─━═╌╍╴╶╸╺", "-"), **dict.fromkeys("│┃║╎╏╵╷╹╻", "|")}
_FIRST_BOX: Final = 0x2500
_LAST_BOX: Final = 0x257F
_FIRST_BRAILLE: Final = 0x2800
_LAST_BRAILLE: Final = 0x28FF
_UNKNOWN: Final = "?"

_C: Final = {"C", "POSIX"}
_SET_BY_PYTHON: Final = {"C.UTF-8", "C.utf8", "UTF-8"}
_UTF8: Final = ("utf-8", "utf8")


def needs_plain_marks(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal is said to know ASCII alone, by its locale or as `dumb`.

    Where no locale is named at all, most terminals know more.
    """
    if environ.get("TERM") == "dumb":
        return True
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    everything, characters, language = (environ.get(name, "") for name in names)
    # Where the locale is C, Python itself sets LC_CTYPE to one of these; the terminal is as before.
    if not everything and characters in _SET_BY_PYTHON and language in _C:
        return True
    named = everything or characters or language
    return bool(named) and not named.casefold().endswith(_UTF8)


def write_plain(text: str) -> str:
    """Return a text in ASCII that takes as many cells."""
    return text if text.isascii() else text.translate(_PLAIN)


class _Plain(dict[int, str]):
    """A table that is made as it is used: there are more characters than anybody writes."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _find_plain(chr(code))
        return plain


def _find_plain(character: str) -> str:
    if character.isascii():
        return character
    known = _MARKS.get(character) or _GRAPH.get(character) or _LINES.get(character)
    if known is not None:
        return known
    code = ord(character)
    if _FIRST_BOX <= code <= _LAST_BOX:
        return "+"
    if _FIRST_BRAILLE <= code <= _LAST_BRAILLE:
        return " " if code == _FIRST_BRAILLE else "*"
    return _UNKNOWN * get_character_cell_size(character)


_PLAIN: Final = _Plain()
