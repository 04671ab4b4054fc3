"""What must hold once everything has been folded, worked out naively from the ledger alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg
import httpx
from redis.asyncio import Redis

from service.backends.database import Database
from service.errors import DatabaseUnavailable
from service.standings.index.offset import Offset
from service.standings.refresh.rerank import rerank
from tests.support.waiting import wait_until

# A wake-up that died with its sender is made up for by the sweep, once a minute.
DRAIN_SECONDS = 150.0

_TOP_LIMIT = 100
_RADIUS = 3

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """One player's right score and competition rank."""

    user_id: int
    score: int
    rank: int


class Truth:
    """The leaderboard as it has to be, best player first."""

    def __init__(self, totals: Mapping[int, int], sessions: Mapping[int, int]) -> None:
        self.totals = totals
        self.sessions = sessions
        self.places: list[Place] = []
        order = sorted(totals, key=lambda user_id: (-totals[user_id], user_id))
        for position, user_id in enumerate(order, 1):
            ties = self.places and self.places[-1].score == totals[user_id]
            rank = self.places[-1].rank if ties else position
            self.places.append(Place(user_id, totals[user_id], rank))


async def wait_until_drained(
    database: Database, redis: Redis, *, seconds: float = DRAIN_SECONDS
) -> None:
    """Wait until everything is folded and the index has followed."""

    async def is_drained() -> bool:
        try:
            if await database.fetch("SELECT FROM pending_session LIMIT 1"):
                return False
            season = await find_season(database)
        except DatabaseUnavailable:
            return False
        offset = Offset.parse(await redis.get(f"leaderboard:{{{season['season_id']}}}:offset"))
        return offset == Offset.of_season(season)

    await wait_until(is_drained, seconds=seconds)


async def add_up(database: Database) -> Truth:
    """Work out the truth from the ledger."""
    totals: Counter[int] = Counter()
    sessions: Counter[int] = Counter()
    for row in await database.fetch("SELECT player_id, score FROM game_session"):
        totals[row["player_id"]] += row["score"]
        sessions[row["player_id"]] += 1
    return Truth(totals, sessions)


async def check_standings(database: Database, redis: Redis) -> Truth:
    """Assert that standings, stored ranks and index are what the ledger adds up to; return it."""
    truth = await add_up(database)
    season = await find_season(database)
    standings = await database.fetch(
        "SELECT player_id, score, sessions FROM standing WHERE season_id = $1", season["season_id"]
    )
    assert {row["player_id"]: row["score"] for row in standings} == truth.totals
    assert {row["player_id"]: row["sessions"] for row in standings} == truth.sessions
    assert season["players"] == len(truth.places)
    assert await _read_index(redis, season["season_id"]) == truth.totals
    await rerank(database)
    ranks = await database.fetch(
        "SELECT player_id, rank FROM ranked_standing WHERE season_id = $1", season["season_id"]
    )
    assert {row["player_id"]: row["rank"] for row in ranks} == {
        place.user_id: place.rank for place in truth.places
    }
    return truth


async def check_reads(
    client: httpx.AsyncClient, truth: Truth, user_ids: Sequence[int], *, stale: bool = False
) -> None:
    """Assert that the API shows the truth, of these players in particular; `stale` may be said."""

    async def ask(path: str) -> Line:
        response = await client.get(f"/api/leaderboard/{path}")
        assert response.status_code == 200, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        assert stale or "stale" not in answer, answer
        assert answer["players"] == len(truth.places), answer
        return answer

    async def check_top() -> bool:
        # Each API process hears of the last refresh in its own time; ask a few times for both.
        for _ in range(10):
            top = await ask(f"top?limit={_TOP_LIMIT}")
            assert _list_places(top) == truth.places[:_TOP_LIMIT]
        return True

    await wait_until(check_top)
    positions = {place.user_id: line for line, place in enumerate(truth.places)}
    for user_id in user_ids:
        position = positions[user_id]
        rank = await ask(f"rank/{user_id}")
        assert _read_place(rank) == truth.places[position]
        around = await ask(f"around/{user_id}?radius={_RADIUS}")
        first = max(0, position - _RADIUS)
        assert _list_places(around) == truth.places[first : position + _RADIUS + 1]


def check_competition_ranks(lines: Sequence[Line], *, whole: bool) -> None:
    """Assert that a leaderboard is in order and ranked 1, 2, 2, 4; `whole` starts at the top."""
    if whole and lines:
        assert lines[0]["rank"] == 1
    for (position, above), (_, below) in pairwise(enumerate(lines, 1)):
        if above["total_score"] == below["total_score"]:
            assert above["user_id"] < below["user_id"]
            assert above["rank"] == below["rank"]
        else:
            assert above["total_score"] > below["total_score"]
            assert below["rank"] > above["rank"]
            assert not whole or below["rank"] == position + 1


async def find_season(database: Database) -> asyncpg.Record:
    """Return the one season of this database and how far refreshes have come."""
    row = await database.fetch_one(
        "SELECT season.id AS season_id, players, last_refresh, refresh_token, refresh_state.*"
        " FROM season_with_refresh AS season CROSS JOIN refresh_state"
    )
    assert row is not None
    return row


async def _read_index(redis: Redis, season_id: int) -> dict[int, int]:
    entries = redis.zscan_iter(f"leaderboard:{{{season_id}}}:index", count=1_000)
    return {int.from_bytes(member, "big"): -int(score) async for member, score in entries}


def _list_places(answer: Line) -> list[Place]:
    return [_read_place(line) for line in answer["leaderboard"]]


def _read_place(line: Line) -> Place:
    return Place(line["user_id"], line["total_score"], line["rank"])
