from datetime import UTC, datetime, timedelta, timezone

import pytest

from dashboard.text.numbers import (
    draw_sparkline,
    drop_grouping,
    read_number,
    write_age,
    write_amount,
    write_bytes,
    write_count,
    write_moment,
    write_ms,
    write_rate,
    write_span,
    write_time,
)


def test_write_numbers_with_their_units() -> None:
    assert [write_ms(value) for value in (0.25, 9.94, 42.4, 1_204, None)] == [
        "0.2 ms",
        "9.9 ms",
        "42 ms",
        "1.20 s",
        "·",
    ]
    assert [write_age(value) for value in (-1, 0.44, 12.2, 200, 7_300, 200_000)] == [
        "0.0 s",
        "0.4 s",
        "12 s",
        "3 min",
        "2 h",
        "2 d",
    ]
    assert [write_rate(value) for value in (0, 0.25, 4.21, 3_100)] == [
        "0.0/s",
        "0.25/s",
        "4.2/s",
        "3,100/s",
    ]
    assert [write_bytes(value) for value in (2_048, 81_000_000, 3 * 2**30)] == [
        "2 KiB",
        "77 MiB",
        "3.0 GiB",
    ]
    assert [write_amount(value, "session") for value in (0, 1, 1_240, None)] == [
        "0 sessions",
        "1 session",
        "1,240 sessions",
        "· sessions",
    ]
    assert [write_amount(2, noun) for noun in ("refresh", "process")] == [
        "2 refreshes",
        "2 processes",
    ]


def test_a_stretch_of_time_has_its_two_largest_units() -> None:
    spans = (-1, 40.4, 59, 60, 3_599, 3_600, 15_120, 86_400, 273_600, 31_579_200)
    assert [write_span(seconds) for seconds in spans] == [
        *("0 s", "40 s", "59 s", "1 min", "59 min", "1 h", "4 h 12 min"),
        *("1 d", "3 d 4 h", "365 d 12 h"),
    ]


def test_the_largest_total_is_written_to_the_last_point() -> None:
    assert write_count(2**63 - 1) == "9,223,372,036,854,775,807"
    assert [write_count(value) for value in (1_240, 12.6, None)] == ["1,240", "13", "·"]


def test_only_commas_between_thousands_are_taken_out_of_a_number() -> None:
    assert [drop_grouping(text) for text in ("1,240", " -1,234,567 ", "10,000.5", "42")] == [
        *("1240", " -1234567 ", "10000.5", "42")
    ]
    for text in ("1,5", "0,125", "12,40", "1,2345", "1234,567", ",", "1,,000"):
        assert drop_grouping(text) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("007", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 5_000, None),
        *((text, None) for text in ("0", "", "-1", "1.5", "٣", "ada")),
    ],
)
def test_read_number_takes_what_can_be_an_id(text: str, number: int | None) -> None:
    assert read_number(text) == number


def test_draw_sparkline_is_as_wide_as_asked_and_leaves_gaps() -> None:
    assert draw_sparkline([0, None, 7], 5) == "  ▁ █"
    assert draw_sparkline([3, 3, 3], 3) == "▁▁▁"
    assert draw_sparkline(list(range(100)), 8) == "▁▂▃▄▅▆▇█"
    assert draw_sparkline([], 4) == "    "


def test_draw_sparkline_against_a_limit_shows_what_is_well_small() -> None:
    assert draw_sparkline([0.7, 2.1, None, 1.2], 4, limit=20) == "▁▂ ▁"
    assert draw_sparkline([0, 10, 20], 3, limit=20) == "▁▅█"
    assert draw_sparkline([20, 40], 2, limit=20) == "▅█"


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), 2),
        (datetime(1, 1, 1, 0, 0, tzinfo=UTC), -5),
    ],
)
def test_the_first_and_the_last_moment_are_written_everywhere(moment: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    assert write_moment(moment, zone) == write_moment(moment, UTC)
    assert write_time(moment, zone) == write_time(moment, UTC)
