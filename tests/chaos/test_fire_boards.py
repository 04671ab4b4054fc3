"""Promises P7 and P8 under fire: one ledger and many boards, and each season ends once.

FIRE_KILLS=200 uv run pytest -n0 --timeout 3600 tests/chaos/test_fire_boards.py
"""

import asyncio
import logging
import os
import random
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys, connect_redis
from service.boards.finder import LIST_OPEN_SEASONS
from service.errors import DatabaseUnavailable
from service.local.embedded.server import EmbeddedServer
from service.maintenance.audit import audit
from service.standings.index.offset import Offset
from tests.support.board_model import RuleModel, SeasonModel, Session
from tests.support.databases import Clusters
from tests.support.factories import make_players
from tests.support.fire.deployment import Deployment, pause
from tests.support.fire.programs import START_SECONDS
from tests.support.fire.traffic import ANSWER_SECONDS, Traffic
from tests.support.fire.truth import DRAIN_SECONDS
from tests.support.waiting import wait_until

PLAYERS = 40
KILLS = 12
# Long enough for a kill or two, so that there are many ends among the kills.
SECONDS_OF_A_SEASON = 1.0

ENDED_BY_HAND = "cup"
BOARDS = {
    ENDED_BY_HAND: RuleModel(operator="best", ties="first"),
    "laps": RuleModel(operator="best", direction="low", min_score=0),
    "last": RuleModel(operator="latest", ties="first"),
    "golf": RuleModel(direction="low", ties="first", max_score=5),
    "sum": RuleModel(),
}

_log = logging.getLogger(__name__)


async def test_seasons_end_once_whatever_is_killed(clusters: Clusters) -> None:
    seed = int(os.environ.get("FIRE_SEED") or secrets.randbits(32))
    kills = int(os.environ.get("FIRE_KILLS") or KILLS)
    chance = random.Random(seed)
    deployment = Deployment(clusters.make("fire-boards"))
    try:
        async with deployment.running() as url, AsyncExitStack() as stack:
            database = Database(deployment.settings, application_name="leaderboard tests")
            await database.open()
            stack.push_async_callback(database.close)
            redis = connect_redis(deployment.settings)
            stack.push_async_callback(redis.aclose)
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=60))
            user_ids = await make_players(database, PLAYERS)
            for slug, rule in BOARDS.items():
                made = await client.put(f"/api/boards/{slug}", json=asdict(rule))
                assert made.status_code == 201, made.text
            traffic = Traffic(url, user_ids, seed, stores_end_together=True)
            ends = SeasonEnds(client, chance)
            async with traffic.running():
                ending = asyncio.create_task(ends.run())
                try:
                    await kill_again_and_again(deployment, traffic, ends, chance, kills)
                finally:
                    ending.cancel()
                    with suppress(asyncio.CancelledError):
                        await ending
            _log.info("%s; %d ends of a season", traffic.describe(), ends.answered)
            await wait_until_at_rest(database, redis)
            await traffic.check_ledger(database)
            await check_boards(client, database)
            seasons = (await list_seasons(client, ENDED_BY_HAND))[:-1]
            # Whoever got no answer may have ended one all the same.
            assert ends.answered <= len(seasons) <= ends.asked
            assert await audit(deployment.settings)
    except BaseException as error:
        error.add_note(f"FIRE_SEED={seed}")
        raise


class SeasonEnds:
    """Ends the season of a board every few seconds, if somebody is there to do it."""

    def __init__(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        self.asked = 0
        self.answered = 0
        self._client = client
        self._chance = chance

    async def run(self) -> None:
        """End one after the other, until it is cancelled."""
        while True:
            await pause(self._chance, 2 * SECONDS_OF_A_SEASON)
            self.asked += 1
            with suppress(httpx.TransportError):
                answer = await self._client.post(
                    f"/api/boards/{ENDED_BY_HAND}/seasons/current/close"
                )
                assert answer.status_code in (200, 503), answer.text
                self.answered += answer.status_code == 200

    async def wait_for_more(self, number: int) -> None:
        """Wait until so many more have been ended, by an answer."""
        enough = self.answered + number
        await wait_until(lambda: self.answered >= enough, seconds=ANSWER_SECONDS)


async def kill_again_and_again(
    deployment: Deployment, traffic: Traffic, ends: SeasonEnds, chance: random.Random, kills: int
) -> None:
    """Kill programs most of the time, and now and then a server, and start them again."""
    async with asyncio.TaskGroup() as restarts:
        for number in range(kills):
            await traffic.wait_for_more(10)
            if number % 3 == 0:
                await ends.wait_for_more(1)
            await pause(chance, 0.5)
            if number % 6 == 2:
                await kill_server(deployment, deployment.valkey, chance)
            elif number % 6 == 5:
                await kill_server(deployment, deployment.postgres, chance)
            else:
                await wait_until(lambda: deployment.serving, seconds=START_SECONDS)
                victim = chance.choice(deployment.serving)
                await deployment.end(victim)
                restarts.create_task(deployment.start(victim))


async def kill_server(
    deployment: Deployment, server: EmbeddedServer, chance: random.Random
) -> None:
    await deployment.kill_server(server)
    await pause(chance, 0.5)
    await deployment.restart_server(server)


async def wait_until_at_rest(database: Database, redis: Redis) -> None:
    """Wait until everything is folded, every season that is over closed, and every index right."""

    async def is_at_rest() -> bool:
        try:
            if await database.fetch("SELECT FROM pending_session LIMIT 1"):
                return False
            if await database.fetch(
                "SELECT FROM season WHERE ends_at <= ledger_now() AND closed_at IS NULL"
            ):
                return False
            seasons = await database.fetch(LIST_OPEN_SEASONS)
        except DatabaseUnavailable:
            return False
        offsets = await redis.mget([SeasonKeys.of(row["season_id"]).offset for row in seasons])
        return all(
            Offset.parse(offset) == Offset.of_season(row)
            for offset, row in zip(offsets, seasons, strict=True)
            # The next season of a board has no index before somebody scores in it.
            if row["players"]
        )

    await wait_until(is_at_rest, seconds=DRAIN_SECONDS)


async def list_seasons(client: httpx.AsyncClient, slug: str) -> list[dict[str, Any]]:
    """Return the seasons of a board, oldest first."""
    answer = (await client.get(f"/api/boards/{slug}/seasons?limit=1000")).json()
    seasons: list[dict[str, Any]] = answer["seasons"][::-1]
    return seasons


async def check_boards(client: httpx.AsyncClient, database: Database) -> None:
    """Assert that every season of every board shows what the ledger makes of it."""
    names = {
        row["id"]: row["username"]
        for row in await database.fetch("SELECT id, username FROM player")
    }
    sessions = [
        Session(*row)
        for row in await database.fetch(
            "SELECT id, player_id, score, game_mode, submitted_at FROM game_session"
        )
    ]
    for slug, rule in BOARDS.items():
        seasons = await list_seasons(client, slug)
        states = [season["state"] for season in seasons]
        assert states == ["closed"] * (len(seasons) - 1) + ["open"]
        assert [season["number"] for season in seasons] == list(range(1, len(seasons) + 1))
        for earlier, later in pairwise(seasons):
            assert earlier["ends_at"] == later["starts_at"]
        for season in seasons:
            model = SeasonModel(rule, names, pick(sessions, season))
            assert season["players"] == len(model.standings)
            page = await client.get(
                f"/api/boards/{slug}/page", params={"season": season["number"], "limit": 1_000}
            )
            assert page.json()["entries"] == model.list_entries(), (slug, season)


def pick(sessions: Sequence[Session], season: dict[str, Any]) -> list[Session]:
    """Return the sessions that were submitted in a season."""
    begin = datetime.fromisoformat(season["starts_at"])
    end = season["ends_at"] and datetime.fromisoformat(season["ends_at"])
    return [
        session
        for session in sessions
        if session.submitted_at >= begin and (end is None or session.submitted_at < end)
    ]
