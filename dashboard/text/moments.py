"""Times as an operator types them."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_AMOUNT: Final = re.compile(r"(\d{1,5})\s*([mhd])")
EXPECTED: Final = "30m, 12h, 7d or 2026-12-01 18:00"


def parse_future(text: str, now: datetime) -> datetime:
    """Return the moment that was typed: an amount of time from now, or a day in `now`'s zone.

    Raises `ValueError` that says what is allowed.
    """
    text = text.strip()
    amount = _AMOUNT.fullmatch(text)
    if amount:
        return now + timedelta(**{_UNITS[amount[2]]: int(amount[1])})
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            typed = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        moments = _find_moments(typed, now.tzinfo)
        if len(moments) != 1:
            comes = f"{typed:%Y-%m-%d %H:%M} comes {'twice' if moments else 'never'}"
            raise ValueError(f"by the clocks here {comes}: type another time")
        moment = moments.pop().astimezone(now.tzinfo)
        if moment <= now:
            raise ValueError(f"{text} is over: a time to come is such as {EXPECTED}")
        return moment
    raise ValueError(f"a time is such as {EXPECTED}")


def _find_moments(typed: datetime, zone: tzinfo | None) -> set[datetime]:
    """Return the moments, in UTC, at which a clock in a zone shows what `typed` does in UTC.

    They are two where clocks are put back over it, and none where they are put forward.
    """
    moments = set()
    # No zone is a day from UTC: whichever offset may hold then holds at one of these.
    for days in (-1, 1):
        # The first and the last day there is have no other beside them.
        with suppress(OverflowError):
            offset = (typed + timedelta(days=days)).astimezone(zone).utcoffset() or timedelta()
            moment = typed - offset
            if moment.astimezone(zone).replace(tzinfo=UTC) == typed:
                moments.add(moment)
    return moments
