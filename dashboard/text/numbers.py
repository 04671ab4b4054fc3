"""Numbers as an operator reads them: grouped, short, and always with their unit."""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final

from rich.cells import cell_len

_SECOND_MS: Final = 1000
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_TEN: Final = 10
_HUNDRED: Final = 100
_KILO: Final = 1024
_MOST_PLACES: Final = 10
_LARGEST: Final = 2**63 - 1
_LONGEST: Final = len(str(_LARGEST))

_GROUPED: Final = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*")

NOTHING: Final = "·"


def write_count(count: float | None) -> str:
    """Return 1240 as 1,240."""
    # Not formatted as a float, which is exact only up to 2^53.
    return NOTHING if count is None else f"{round(count):,}"


def drop_grouping(text: str) -> str:
    """Return 1,240 as 1240.

    A comma that groups no thousands stays: 1,5 is not a number here, and must not become 15.
    """
    return text.replace(",", "") if _GROUPED.fullmatch(text) else text


def read_number(digits: str) -> int | None:
    """Return the number from 1 that these digits are; None for what is no id, rank or season."""
    # Python does not read numbers of thousands of digits.
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST
    number = int(digits) if is_number else 0
    return number if 0 < number <= _LARGEST else None


def write_amount(count: float | None, noun: str) -> str:
    """Return a count with what is counted: 1 session, 1,240 sessions."""
    plural = "es" if noun.endswith(("sh", "ss")) else "s"
    return f"{write_count(count)} {noun}" + ("" if count == 1 else plural)


def write_ms(milliseconds: float | None) -> str:
    """Return a duration given in ms: 3.2 ms, 42 ms, 1.20 s."""
    if milliseconds is None:
        return NOTHING
    if milliseconds >= _SECOND_MS:
        return f"{milliseconds / _SECOND_MS:,.2f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < _TEN else f"{milliseconds:.0f} ms"


def write_age(seconds: float | None) -> str:
    """Return an age: 0.4 s, 12 s, 3 min, 2 h, 5 d."""
    if seconds is None:
        return NOTHING
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < _DAY else f"{seconds / _DAY:.0f} d"


def write_span(seconds: float) -> str:
    """Return a stretch of time in its two largest units: 3 d 4 h, 4 h 12 min, 9 min, 40 s."""
    if seconds < _MINUTE:
        return f"{max(seconds, 0.0):.0f} s"
    minutes = int(seconds // _MINUTE)
    hours, days = minutes // 60, int(seconds // _DAY)
    if days:
        rest = hours - 24 * days
        return f"{days:,} d {rest} h" if rest else f"{days:,} d"
    if hours:
        rest = minutes - 60 * hours
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{minutes} min"


def write_rate(per_second: float | None) -> str:
    """Return a rate: 0.25/s, 4.2/s, 310/s."""
    if per_second is None:
        return NOTHING
    if per_second >= _HUNDRED:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 1 or not per_second else f"{per_second:.2f}/s"


def write_bytes(size: int | None) -> str:
    """Return a size: 312 KiB, 81 MiB, 1.2 GiB."""
    if size is None:
        return NOTHING
    amount = size / _KILO
    if amount < _KILO:
        return f"{amount:.0f} KiB"
    amount /= _KILO
    return f"{amount:.0f} MiB" if amount < _KILO else f"{amount / _KILO:.1f} GiB"


def localize(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment in the operator's zone; as it is where it would be out of the years there."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def write_time(moment: datetime | None, zone: tzinfo | None) -> str:
    """Return the time of day in the operator's zone."""
    return NOTHING if moment is None else f"{localize(moment, zone):%H:%M:%S}"


def write_moment(moment: datetime | None, zone: tzinfo | None) -> str:
    """Return a day and the time of day in the operator's zone."""
    return NOTHING if moment is None else f"{localize(moment, zone):%Y-%m-%d %H:%M}"


def write_percentile(rank: int, players: int) -> str:
    """Return the share of players, in percent, whom the player at a rank is level with or beats.

    As the service computes it, with two places; more where only they tell it from the first's 100.
    """
    share = 100 * (players - rank + 1) / players
    places = 2
    while rank > 1 and places < _MOST_PLACES and float(f"{share:.{places}f}") >= _HUNDRED:
        places += 1
    return f"{share:.{places}f}"


def choose_text(room: int, *texts: str) -> str:
    """Return the first of these texts that fits, fullest first; a number is never cut."""
    return next((text for text in texts if cell_len(text) <= room), texts[-1])


def draw_sparkline(
    values: Sequence[float | None], width: int, *, limit: float | None = None
) -> str:
    """Return the last `width` values as blocks, lowest to highest; a gap is a space.

    With a `limit` they are drawn between nothing and that, so that what is well looks small.
    Without one, values that are all equal are drawn low: nothing happened.
    """
    shown = values[-width:] if width else []
    known = [value for value in shown if value is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    if limit is not None:
        low, high = min(low, 0.0), max(high, limit)
    steps = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    line = "".join(
        " " if value is None else _BLOCKS[round((value - low) * steps)] for value in shown
    )
    return line.rjust(width)
