import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.clock import SystemClock
from dashboard.text.moments import parse_future
from dashboard.text.numbers import write_moment


@pytest.fixture
def _in_berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_berlin")
def test_a_moment_is_written_and_typed_by_the_clocks_of_its_own_half_of_the_year() -> None:
    now = SystemClock().now()
    for month, hour in ((1, 17), (7, 16)):
        moment = datetime(now.year + 1, month, 15, hour, tzinfo=UTC)
        text = f"{now.year + 1}-{month:02}-15 18:00"
        assert write_moment(moment, now.tzinfo) == text
        typed = parse_future(text, now)
        assert typed == moment
        assert write_moment(typed, typed.tzinfo) == text
        assert datetime.fromisoformat(typed.isoformat()) == moment


@pytest.mark.usefixtures("_in_berlin")
def test_an_amount_of_time_is_exact_over_a_change_of_clocks() -> None:
    now = SystemClock().now()
    later = parse_future("183d", now)
    assert later.astimezone(UTC) - now.astimezone(UTC) == timedelta(days=183)


@pytest.mark.usefixtures("_in_berlin")
def test_the_last_moment_is_written() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert write_moment(last, SystemClock().now().tzinfo) == "9999-12-31 23:59"
