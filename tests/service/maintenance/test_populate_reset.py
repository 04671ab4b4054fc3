"""`leaderboard populate --reset`: another database for everyone, and who is asked first."""

import asyncio
import os
import pty
import sys

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import find_names_bucket
from service.maintenance.audit import audit
from service.maintenance.populate import populate
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    make_players,
    make_players_with_scores,
    record_scores,
)
from tests.support.up_process import clean_environment, run_leaderboard
from tests.support.waiting import wait_until


async def test_populate_reset_makes_it_another_database_for_everyone(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    redis: Redis,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user_ids = await make_players_with_scores(database, range(100))
    await refresher.refresh()
    await record_scores(database, (user_ids[0], 5))
    top = (await client.get("/api/leaderboard/top")).json()
    assert top["players"] == 100
    (before,) = await database.fetch("SELECT epoch FROM refresh_state")

    await populate(settings, players=20, sessions=60, seed=1, reset=True)

    assert "Deleting 100 players and 101 sessions" in capsys.readouterr().out
    (after,) = await database.fetch("SELECT epoch FROM refresh_state")
    assert after["epoch"] != before["epoch"]
    players = await database.fetch("SELECT min(id), max(id) FROM player")
    assert tuple(players[0]) == (1, 20)
    assert await redis.hget(find_names_bucket(user_ids[-1]), str(user_ids[-1])) is None
    assert await audit(settings)

    async def shows_new_players() -> bool:
        top = (await client.get("/api/leaderboard/top")).json()
        return bool(top["players"] <= 20)

    await wait_until(shows_new_players)
    answer = await client.get(f"/api/leaderboard/rank/{user_ids[-1]}")
    assert answer.status_code == 404


@pytest.mark.parametrize(("answer", "players_left"), [(b"n\n", 2), (b"\n", 2), (b"y\n", 5)])
async def test_populate_reset_asks_who_sits_at_a_terminal(
    database: Database, settings: Settings, answer: bytes, players_left: int
) -> None:
    await make_players(database, 2)
    terminal, inside = pty.openpty()
    assert settings.database_url
    assert settings.redis_url
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.commands.main", "populate", "--reset"),
        *("--players", "5", "--sessions", "5"),
        env=clean_environment()
        | {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url},
        stdin=inside,
        stderr=asyncio.subprocess.PIPE,
    )
    os.write(terminal, answer)
    _, told = await process.communicate()
    os.close(inside)
    os.close(terminal)
    rows = await database.fetch("SELECT FROM player")
    assert len(rows) == players_left
    assert ("nothing was changed" in told.decode()) == (process.returncode == 1)
    assert (process.returncode == 0) == (players_left == 5)


async def test_populate_reset_asks_nothing_where_nobody_could_answer(
    database: Database, settings: Settings
) -> None:
    await make_players(database, 2)
    assert settings.database_url
    assert settings.redis_url
    environment = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    wanted = ("populate", "--reset", "--players", "5", "--sessions", "5")
    assert run_leaderboard(*wanted, environment=environment).returncode == 0
    assert len(await database.fetch("SELECT FROM player")) == 5
