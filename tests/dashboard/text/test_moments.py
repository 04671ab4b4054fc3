"""Times as an operator types them."""

from datetime import UTC, datetime, timedelta, timezone

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
