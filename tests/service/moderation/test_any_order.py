"""Submits and moderation in any order: the boards are what the simplest words say."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.maintenance.audit import audit
from service.settings.settings import Settings
from tests.support.factories import make_players, record_scores
from tests.support.season_work import SeasonWorker

STEPS = 60
RULES = {
    "sum": {"ties": "first"},
    "best": {"operator": "best"},
    "low": {"operator": "best", "direction": "low", "ties": "first"},
    "latest": {"operator": "latest"},
}


@dataclass
class Session:
    """A session that somebody may have revoked; ids rise with the time."""

    session_id: int
    user_id: int
    score: int
    is_revoked: bool = False


def make_standing(slug: str, sessions: list[Session]) -> tuple[int, int]:
    """Return score and tie key of a player with these sessions, which are in their order."""
    if slug == "sum":
        changing = [one.session_id for one in sessions if one.score]
        total = sum(one.score for one in sessions)
        return total, changing[-1] if changing else sessions[0].session_id
    if slug == "latest":
        return sessions[-1].score, 0
    if slug == "low":
        least = min(sessions, key=lambda one: (one.score, one.session_id))
        return least.score, least.session_id
    return max(one.score for one in sessions), 0


def list_board(
    slug: str, sessions: list[Session], standing: set[int]
) -> list[tuple[int, int, int]]:
    """Return (player, score, rank) of everybody who may stand, and does."""
    counting: dict[int, list[Session]] = {}
    for one in sessions:
        if not one.is_revoked and one.user_id in standing:
            counting.setdefault(one.user_id, []).append(one)
    standings = {user_id: make_standing(slug, own) for user_id, own in counting.items()}
    sign = 1 if slug == "low" else -1
    keys = {user_id: (sign * score, tie) for user_id, (score, tie) in standings.items()}
    return [
        (user_id, standings[user_id][0], 1 + sum(key < keys[user_id] for key in keys.values()))
        for user_id in sorted(keys, key=lambda user_id: (*keys[user_id], user_id))
    ]


async def check_board(
    client: httpx.AsyncClient, slug: str, sessions: list[Session], states: dict[int, str]
) -> None:
    active = {user_id for user_id, state in states.items() if state == "active"}
    page = (await client.get(f"/api/boards/{slug}/page")).json()
    found = [(one["user_id"], one["score"], one["rank"]) for one in page["entries"]]
    expected = list_board(slug, sessions, active)
    assert found == expected, slug
    assert page["players"] == len(expected)
    for user_id, state in states.items():
        # Who is hidden is told a rank as one of the players.
        seen = list_board(slug, sessions, active | {user_id} if state == "hidden" else active)
        ranks = {one: rank for one, _, rank in seen}
        rank = (await client.get(f"/api/boards/{slug}/rank/{user_id}")).json()
        assert rank["rank"] == ranks.get(user_id), (slug, user_id, state)


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_submits_and_moderation(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings, seed: int
) -> None:
    worker = SeasonWorker(database, redis, settings)
    for slug, rule in RULES.items():
        assert (await client.put(f"/api/boards/{slug}", json=rule)).status_code == 201
    chance = random.Random(seed)
    user_ids = await make_players(database, 5)
    states = dict.fromkeys(user_ids, "active")
    sessions: list[Session] = []

    async def submit() -> None:
        user_id, score = chance.choice(user_ids), chance.randint(-3, 9)
        if states[user_id] != "banned":
            (session_id,) = await record_scores(database, (user_id, score))
            sessions.append(Session(session_id, user_id, score))

    async def mark() -> None:
        if sessions:
            one = chance.choice(sessions)
            one.is_revoked = chance.random() < 0.6
            verb = "revoke" if one.is_revoked else "restore"
            path = f"/api/sessions/{one.session_id}/{verb}"
            assert (await client.post(path, json={"reason": "x"})).status_code == 200

    async def change_state() -> None:
        user_id = chance.choice(user_ids)
        states[user_id] = chance.choice(["active", "active", "hidden", "banned"])
        body = {"state": states[user_id], "reason": "x"}
        assert (await client.put(f"/api/players/{user_id}/state", json=body)).status_code == 200

    steps: list[Callable[[], Awaitable[object]]] = [
        submit, mark, change_state, worker.work, redis.flushall
    ]  # fmt: skip
    for _ in range(STEPS):
        await chance.choices(steps, weights=[10, 6, 3, 4, 1])[0]()
    await worker.work()
    for slug in RULES:
        await check_board(client, slug, sessions, states)
    assert await audit(settings)
