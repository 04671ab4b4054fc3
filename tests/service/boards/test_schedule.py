"""Schedules: five fields of cron by the clock on a wall, whatever that clock does."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.boards.schedule import Schedule, WrongSchedule

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
CRONS = [
    "* * * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15 1,2 * * *",
    "0 0 * * 1",
    "59 23 L * *",
    "0 0 1 1 *",
    "0 0 29 2 *",
    "0 3 * * sun#1",
    "30 1 13 * fri",
]
# One that skipped 30 December 2011 as a whole, and offsets that are no whole hours.
STRANGE_ZONES = ["Pacific/Apia", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def list_ends(schedule: Schedule, after: datetime, number: int) -> list[datetime]:
    ends = [schedule.find_next(after)]
    while len(ends) < number:
        ends.append(schedule.find_next(ends[-1]))
    return ends


@pytest.mark.parametrize(
    ("zone", "cron", "after", "ends"),
    [
        # 2:00 becomes 3:00.
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00+01:00",
         ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2027-03-27T12:00+01:00",
         ["2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00"]),
        ("America/New_York", "0 2 * * *", "2026-03-07T12:00-05:00",
         ["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"]),
        ("America/New_York", "59 2 * * *", "2027-03-13T12:00-05:00",
         ["2027-03-14T03:00-04:00", "2027-03-15T02:59-04:00"]),
        # 2:00 becomes 2:30.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00+10:30",
         ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2027-10-02T12:00+10:30",
         ["2027-10-03T02:30+11:00", "2027-10-04T02:15+11:00"]),
        # Several times in one gap are one end, and so is one right after it.
        ("Europe/Berlin", "*/30 1-3 * * *", "2026-03-29T01:15+01:00",
         ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
        # 3:00 becomes 2:00.
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00+02:00",
         ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("Europe/Berlin", "30 2 * * *", "2027-10-30T12:00+02:00",
         ["2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00"]),
        ("America/New_York", "0 1 * * *", "2026-10-31T12:00-04:00",
         ["2026-11-01T01:00-04:00", "2026-11-02T01:00-05:00"]),
        ("America/New_York", "0 1 * * *", "2027-11-06T12:00-04:00",
         ["2027-11-07T01:00-04:00", "2027-11-08T01:00-05:00"]),
        # 2:00 becomes 1:30.
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00+11:00",
         ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2027-04-03T12:00+11:00",
         ["2027-04-04T01:45+11:00", "2027-04-05T01:45+10:30"]),
        # Asked within the hour that comes twice: its ends are over.
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T02:10+01:00", ["2026-10-26T02:30+01:00"]),
        # The hour that comes twice makes the hours before it two hours long.
        ("Europe/Berlin", "0 * * * *", "2026-10-25T01:30+02:00",
         ["2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00"]),
        # A day that there never was.
        ("Pacific/Apia", "0 12 30 12 *", "2011-12-29T00:00-10:00",
         ["2011-12-31T00:00+14:00", "2012-12-30T12:00+14:00"]),
        # A leap day, also where a century has none.
        ("Europe/Berlin", "0 0 29 2 *", "2026-11-29T00:00+01:00",
         ["2028-02-29T00:00+01:00", "2032-02-29T00:00+01:00"]),
        ("UTC", "0 0 29 2 *", "2096-03-01T00:00+00:00", ["2104-02-29T00:00+00:00"]),
        ("UTC", "0 0 * 2 mon#5", "2028-01-01T00:00+00:00", ["2044-02-29T00:00+00:00"]),
    ],
)  # fmt: skip
def test_end_is_what_the_wall_shows(zone: str, cron: str, after: str, ends: list[str]) -> None:
    schedule = Schedule.parse(cron, zone)
    assert list_ends(schedule, at(after), len(ends)) == [at(end) for end in ends]


@pytest.mark.parametrize(
    ("cron", "ends"),
    [
        ("0 0 * * mon", ["2026-11-30T00:00", "2026-12-07T00:00"]),
        ("0 0 * * MON-TUE", ["2026-11-30T00:00", "2026-12-01T00:00", "2026-12-07T00:00"]),
        ("0 0 * * 7", ["2026-12-06T00:00"]),
        ("0 0 * * 0", ["2026-12-06T00:00"]),
        ("0 0 1 jan,JUL *", ["2027-01-01T00:00", "2027-07-01T00:00"]),
        ("0 0 L * *", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00"]),
        ("0 0 L 2 *", ["2027-02-28T00:00", "2028-02-29T00:00"]),
        ("0 0 * * 5L", ["2026-12-25T00:00", "2027-01-29T00:00"]),
        ("0 0 * * fri#1", ["2026-12-04T00:00", "2027-01-01T00:00"]),
        ("0 0 * * 1#5", ["2026-11-30T00:00", "2027-03-29T00:00"]),
        ("*/20 23 * * *", ["2026-11-29T23:00", "2026-11-29T23:20", "2026-11-29T23:40"]),
        ("5-15/5 0 * * *", ["2026-11-30T00:05", "2026-11-30T00:10", "2026-11-30T00:15"]),
        # Where both days are given, either will do.
        ("0 0 13 * 5", ["2026-12-04T00:00", "2026-12-11T00:00", "2026-12-13T00:00"]),
        ("  0   0  31 *  * ", ["2026-12-31T00:00", "2027-01-31T00:00", "2027-03-31T00:00"]),
    ],
)
def test_field_means_what_it_does_in_cron(cron: str, ends: list[str]) -> None:
    schedule = Schedule.parse(cron, "UTC")
    found = list_ends(schedule, at("2026-11-29T12:00+00:00"), len(ends))
    assert found == [at(f"{end}+00:00") for end in ends]


@pytest.mark.parametrize(
    ("cron", "timezone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("@weekly", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("* 24 * * *", "UTC", "cron"),
        ("* * 0 * *", "UTC", "cron"),
        ("* * 32 * *", "UTC", "cron"),
        ("* * * 13 *", "UTC", "cron"),
        ("* * * * 8", "UTC", "cron"),
        ("* * * * mon#6", "UTC", "cron"),
        ("*/0 * * * *", "UTC", "cron"),
        ("5-1 * * * *", "UTC", "cron"),
        ("-1 * * * *", "UTC", "cron"),
        ("1.5 * * * *", "UTC", "cron"),
        ("٣ * * * *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("0 0 31 4,6,9,11 *", "UTC", "cron"),
        (f"{','.join(['1'] * 60)} * * * *", "UTC", "cron"),
        ("* * * * *", "", "timezone"),
        ("* * * * *", "Europe/Atlantis", "timezone"),
        ("* * * * *", "europe/berlin", "timezone"),
        ("* * * * *", "/etc/localtime", "timezone"),
        ("* * * * *", "UTC\x00", "timezone"),
        ("* * * * *", "+02:00", "timezone"),
    ],
)
def test_schedule_that_means_nothing_is_told(cron: str, timezone: str, field: str) -> None:
    with pytest.raises(WrongSchedule) as refused:
        Schedule.parse(cron, timezone)
    assert refused.value.field == field
    assert str(refused.value).startswith("Expected")


schedules = st.builds(
    Schedule.parse,
    st.sampled_from(CRONS),
    st.sampled_from(ZONES + STRANGE_ZONES),
)
# Around the switches of a year, where there is something to go wrong, and anywhere.
switches = st.sampled_from(
    [
        at(day)
        for day in (
            "2011-12-30T10:00+00:00",
            "2026-03-08T07:00+00:00",
            "2026-03-29T01:00+00:00",
            "2026-04-04T15:00+00:00",
            "2026-10-03T15:30+00:00",
            "2026-10-25T01:00+00:00",
            "2026-11-01T06:00+00:00",
            "2027-03-28T01:00+00:00",
            "2027-10-31T01:00+00:00",
        )
    ]
)
moments = st.one_of(
    st.builds(
        lambda switch, seconds: switch + timedelta(seconds=seconds),
        switches,
        st.integers(-8_000, 8_000),
    ),
    st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - made aware below
        max_value=datetime(2040, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)


@given(schedule=schedules, moment=moments)
def test_next_and_last_are_each_other_s_inverse(schedule: Schedule, moment: datetime) -> None:
    following, last = schedule.find_next(moment), schedule.find_last(moment)
    assert last <= moment < following
    # Nothing lies between the two, from either side.
    assert schedule.find_next(last) == following
    assert schedule.find_last(following) == following
    assert schedule.find_last(following - timedelta(microseconds=1)) == last
    ends = list_ends(schedule, last, 4)
    assert ends[0] == following
    for earlier, later in pairwise([last, *ends]):
        assert earlier < later
        assert schedule.find_last(later - timedelta(microseconds=1)) == earlier


@given(schedule=schedules, moment=moments, seconds=st.integers(0, 100_000))
def test_later_moment_has_no_earlier_end(
    schedule: Schedule, moment: datetime, seconds: int
) -> None:
    later = moment + timedelta(seconds=seconds)
    assert schedule.find_next(moment) <= schedule.find_next(later)
    assert schedule.find_last(moment) <= schedule.find_last(later)
