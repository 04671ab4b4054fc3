"""Percentiles, offsets and members of the index."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.backends.redis import SeasonKeys, decode_member, encode_member
from service.standings.index.offset import Offset
from service.standings.reads.lag import _Mark
from service.standings.reads.seen import _is_shown
from service.standings.schemas import compute_percentile
from service.validation import MAX_ID

EPOCH = "0f4c7c1e-6f0b-4a51-9d0a-9a6d1c0f8f55"
MOMENT = datetime(2026, 11, 23, 18, 30, 0, 123_000, tzinfo=UTC)

user_ids = st.integers(1, MAX_ID)


@pytest.mark.parametrize(
    ("rank", "players", "percentile"),
    [(1, 1, 100.0), (1, 10, 100.0), (10, 10, 10.0), (2, 3, 66.67), (3, 3, 33.33), (2, 2, 50.0)],
)
def test_percentile_is_the_share_level_with_or_behind(
    rank: int, players: int, percentile: float
) -> None:
    assert compute_percentile(rank, players) == percentile


def test_percentile_of_a_tie_counts_those_level_with_it() -> None:
    # Scores 9, 7, 7, 7, 1: whoever ties at rank 2 is level with or ahead of four of five.
    assert compute_percentile(2, 5) == 80.0


def test_offset_reads_back_what_it_writes() -> None:
    offset = Offset(EPOCH, 17, 3, MOMENT, 5)
    assert str(offset) == f"{EPOCH}:17.5/3@1795458600123"
    parsed = Offset.parse(str(offset).encode())
    assert parsed == offset
    assert parsed is not None
    assert parsed.as_of == MOMENT
    assert offset.position == f"{EPOCH}:17.5/3"


def test_offsets_are_equal_where_all_but_the_time_is() -> None:
    offset = Offset(EPOCH, 17, 3, MOMENT)
    assert offset == Offset(EPOCH, 17, 3, MOMENT + timedelta(days=1))
    assert offset != Offset(EPOCH, 18, 3, MOMENT)
    assert offset != Offset("another", 17, 3, MOMENT)
    assert offset != Offset(EPOCH, 17, 2, MOMENT)
    assert offset != Offset(EPOCH, 17, 3, MOMENT, 1)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        b"",
        "",
        b"17",
        b":17",
        f"{EPOCH}:17",
        f"{EPOCH}:.5/3@1795458600123",
        f"{EPOCH}:17/3@1795458600123",
        f"{EPOCH}:17./3@1795458600123",
        f"{EPOCH}:-1.5/3@1795458600123",
        f"{EPOCH}:x.5/3@1795458600123",
        f"{EPOCH}:17.5/3@soon",
        f"{EPOCH}:17.5@1795458600123",
        f"{EPOCH}:17.5/@1795458600123",
        b"\xff\xfe",
        f"{EPOCH}:\u00b2.5/3@1795458600123",
        f"{EPOCH}:17.5/3@99999999999999999999999",
    ],
)
def test_offset_that_is_none_of_ours_is_none(stored: bytes | str | None) -> None:
    assert Offset.parse(stored) is None


@given(user_id=user_ids)
def test_member_reads_back(user_id: int) -> None:
    assert decode_member(encode_member(user_id)) == user_id


@given(first=user_ids, second=user_ids)
def test_members_sort_as_their_players_do(first: int, second: int) -> None:
    assert (encode_member(first) < encode_member(second)) == (first < second)


def test_keys_of_a_season_share_a_slot_of_redis_cluster() -> None:
    keys = SeasonKeys.of(7)
    names = (keys.index, keys.offset, keys.top, keys.new_index, keys.ties, keys.build)
    assert {name[name.index("{") : name.index("}") + 1] for name in names} == {"{7}"}
    assert len(set(names)) == len(names)
    assert (keys.index, keys.top, keys.offset) == (
        "leaderboard:{7}:index",
        "leaderboard:{7}:top",
        "leaderboard:{7}:offset",
    )


def test_index_of_another_database_follows_nothing_of_ours() -> None:
    """However far it is: neither for who watches the lag nor for who waits for a session."""
    ours, theirs = Offset(EPOCH, 17, 3, MOMENT), Offset(str(uuid4()), 18, 3, MOMENT)
    mark = _Mark(at=0.0, newest_pending=None, offset=ours)
    assert mark.is_reached(ours, ours)
    assert mark.is_reached(Offset(EPOCH, 18, 3, MOMENT), ours)
    assert not mark.is_reached(theirs, ours)
    folded: Any = {"counts": True, "is_pending": False, "epoch": EPOCH, "last_refresh": 17}
    assert _is_shown(folded, ours)
    assert not _is_shown(folded, theirs)
