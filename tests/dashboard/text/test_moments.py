"""Times as an operator types them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from dashboard.text.moments import parse_future

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        (" 12 h ", datetime(2026, 11, 23, 22, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 30, 10, 0, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 11, 30, 22, 0, tzinfo=UTC)),
        ("2026-12-01 18:30", datetime(2026, 12, 1, 16, 30, tzinfo=UTC)),
        ("9999-12-31 23:59", datetime(9999, 12, 31, 21, 59, tzinfo=UTC)),
    ],
)
def test_a_time_to_come_is_an_amount_or_a_day_here(text: str, moment: datetime) -> None:
    assert parse_future(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-23 12:00", "is over"),
        ("2025-01-01", "is over"),
        ("tomorrow", "a time is such as 30m"),
        ("2026-13-01", "a time is such as"),
        ("123456d", "a time is such as"),
    ],
)
def test_what_is_no_time_to_come_is_refused_with_what_is(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_future(text, NOW)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-25 01:59", datetime(2026, 10, 24, 23, 59, tzinfo=UTC)),
        ("2026-10-25 03:00", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        ("2027-03-28 01:59", datetime(2027, 3, 28, 0, 59, tzinfo=UTC)),
        ("2027-03-28 03:00", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
    ],
)
def test_a_day_of_other_clocks_has_their_offset(text: str, moment: datetime) -> None:
    assert parse_future(text, datetime(2026, 10, 1, tzinfo=ZoneInfo("Europe/Berlin"))) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-10-25 02:30", "2026-10-25 02:30 comes twice"),
        ("2027-03-28 02:30", "2027-03-28 02:30 comes never"),
    ],
)
def test_a_time_that_clocks_show_twice_or_never_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_future(text, datetime(2026, 10, 1, tzinfo=ZoneInfo("Europe/Berlin")))
