"""Times as an operator types them."""

import re
from datetime import datetime, timedelta
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
            moment = datetime.strptime(text, form).replace(tzinfo=now.tzinfo)
        except ValueError:
            continue
        if moment <= now:
            raise ValueError(f"{text} is over: a time to come is such as {EXPECTED}")
        return moment
    raise ValueError(f"a time is such as {EXPECTED}")
