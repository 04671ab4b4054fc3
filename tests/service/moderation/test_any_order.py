"""Submits, moderation and closings in any order: boards are what the simplest words say."""

import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.maintenance.audit import audit
from service.settings.settings import Settings
from tests.support.factories import make_players, record_scores
from tests.support.season_work import SeasonWorker

STEPS = 80
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
    seasons: dict[str, int]
    """The number of each board's season that it belongs to."""
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


Standings = dict[int, tuple[int, int]]


def make_standings(
    slug: str, number: int, sessions: list[Session], standing: Collection[int]
) -> Standings:
    """Return score and tie key of everybody who may stand in a season, and does."""
    counting: dict[int, list[Session]] = {}
    for one in sessions:
        if not one.is_revoked and one.user_id in standing and one.seasons[slug] == number:
            counting.setdefault(one.user_id, []).append(one)
    return {user_id: make_standing(slug, own) for user_id, own in counting.items()}


def rank_standings(slug: str, standings: Standings) -> list[tuple[int, int, int]]:
    """Return (player, score, rank), best first."""
    sign = 1 if slug == "low" else -1
    keys = {user_id: (sign * score, tie) for user_id, (score, tie) in standings.items()}
    return [
        (user_id, standings[user_id][0], 1 + sum(key < keys[user_id] for key in keys.values()))
        for user_id in sorted(keys, key=lambda user_id: (*keys[user_id], user_id))
    ]


class History:
    """What happens to the boards, by chance, and what the simplest words say of them."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        database: Database,
        worker: SeasonWorker,
        redis: Redis,
        user_ids: list[int],
        seed: int,
    ) -> None:
        self._client = client
        self._database = database
        self._worker = worker
        self._redis = redis
        self._chance = random.Random(seed)
        self._sessions: list[Session] = []
        self._states = dict.fromkeys(user_ids, "active")
        self.current = dict.fromkeys(RULES, 1)
        # The result of each season that is closed, as it was then or was corrected since.
        self._results: dict[tuple[str, int], Standings] = {}

    async def _change(self, method: str, path: str, **body: object) -> None:
        answer = await self._client.request(method, path, json={"reason": "x"} | body)
        assert answer.status_code == 200, answer.text

    def count(self, slug: str, number: int) -> Standings:
        """Return what the ledger makes of a season now."""
        active = [user_id for user_id, state in self._states.items() if state == "active"]
        return make_standings(slug, number, self._sessions, active)

    async def submit(self) -> None:
        """Submit a score of somebody who may."""
        user_id, score = self._chance.choice([*self._states]), self._chance.randint(-3, 9)
        if self._states[user_id] != "banned":
            (session_id,) = await record_scores(self._database, (user_id, score))
            self._sessions.append(Session(session_id, user_id, score, dict(self.current)))

    async def mark(self) -> None:
        """Revoke a session, or restore one."""
        if self._sessions:
            one = self._chance.choice(self._sessions)
            one.is_revoked = self._chance.random() < 0.6
            verb = "revoke" if one.is_revoked else "restore"
            await self._change("POST", f"/api/sessions/{one.session_id}/{verb}")

    async def change_state(self) -> None:
        """Hide or ban somebody, or neither any more."""
        user_id = self._chance.choice([*self._states])
        state = self._chance.choice(["active", "active", "hidden", "banned"])
        self._states[user_id] = state
        await self._change("PUT", f"/api/players/{user_id}/state", state=state)

    async def work(self) -> None:
        """Fold, and close what has ended."""
        await self._worker.work()
        for slug, number in self.current.items():
            for over in range(1, number):
                if (slug, over) not in self._results:
                    self._results[slug, over] = self.count(slug, over)

    async def close(self) -> None:
        """End a season; until the next work it is `ending`."""
        slug = self._chance.choice([*RULES])
        answer = await self._client.post(f"/api/boards/{slug}/seasons/current/close")
        assert answer.status_code == 200, answer.text
        self.current[slug] += 1

    async def correct(self) -> None:
        """Correct a closed season, whatever is folded."""
        if self._results:
            slug, number = self._chance.choice([*self._results])
            await self._change("POST", f"/api/boards/{slug}/seasons/{number}/correct")
            self._results[slug, number] = self.count(slug, number)

    async def lose_redis(self) -> None:
        """Lose all that is in Redis."""
        await self._redis.flushall()

    async def step(self) -> None:
        """Do something."""
        steps: dict[Callable[[], Awaitable[None]], int] = {
            self.submit: 10,
            self.mark: 6,
            self.change_state: 3,
            self.work: 4,
            self.lose_redis: 1,
            self.close: 1,
            self.correct: 1,
        }
        (step,) = self._chance.choices([*steps], weights=[*steps.values()])
        await step()

    async def check(self) -> None:
        """Compare every season of every board."""
        for slug, number in self.current.items():
            for over in range(1, number):
                await self._check_season(slug, over, self._results[slug, over])
            await self._check_season(slug, number, self.count(slug, number))

    async def _check_season(self, slug: str, number: int, standings: Standings) -> None:
        season = {"season": str(number)}
        page = (await self._client.get(f"/api/boards/{slug}/page", params=season)).json()
        found = [(one["user_id"], one["score"], one["rank"]) for one in page["entries"]]
        assert found == rank_standings(slug, standings), (slug, number)
        assert page["players"] == len(standings)
        for user_id, state in self._states.items():
            seen = standings
            if state == "hidden":
                # Who is hidden is told a rank as one of the players.
                seen = make_standings(slug, number, self._sessions, {user_id}) | standings
            ranks = {one: rank for one, _, rank in rank_standings(slug, seen)}
            rank = await self._client.get(f"/api/boards/{slug}/rank/{user_id}", params=season)
            assert rank.json()["rank"] == ranks.get(user_id), (slug, number, user_id, state)


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_submits_moderation_and_closings(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings, seed: int
) -> None:
    for slug, rule in RULES.items():
        assert (await client.put(f"/api/boards/{slug}", json=rule)).status_code == 201
    worker = SeasonWorker(database, redis, settings)
    history = History(client, database, worker, redis, await make_players(database, 5), seed)
    for _ in range(STEPS):
        await history.step()
    await history.work()
    await history.check()
    assert any(number > 1 for number in history.current.values())
    assert await audit(settings)
