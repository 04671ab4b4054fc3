"""`leaderboard audit` of whole boards: many differences, several seasons, and what goes on."""

import asyncio

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import hold_writer_lock
from service.backends.redis import SeasonKeys
from service.maintenance.audit import audit
from service.maintenance.populate import populate
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    find_global_season,
    make_players,
    make_players_with_scores,
    make_season,
    record_scores,
)
from tests.support.lock_waits import count_lock_waits
from tests.support.waiting import wait_until


async def test_audit_shows_ten_differences_and_counts_all(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await make_players_with_scores(database, range(25))
    await refresher.refresh()
    await database.fetch("UPDATE standing SET sessions = sessions + 1")
    assert not await audit(settings)
    told = capsys.readouterr().out
    assert told.count("sessions is 2, by the ledger 1") == 10
    assert "and 15 more" in told
    assert told.endswith("\n25 differences\n")


async def test_audit_counts_a_board_that_is_missing_as_a_whole(
    database: Database,
    settings: Settings,
    redis: Redis,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More players differ than are compared at once."""
    monkeypatch.setattr("service.maintenance.index_audit._PLAYERS_PER_BATCH", 1_000)
    await populate(settings, players=2_100, sessions=4_200, seed=1, reset=False)
    assert await audit(settings)
    rows = await database.fetch("SELECT count(*) FROM standing")
    keys = SeasonKeys.of(await find_global_season(database))
    await redis.delete(keys.index)

    assert not await audit(settings)
    assert f"\n{rows[0]['count']:,} differences\n" in capsys.readouterr().out


async def test_audit_looks_at_every_open_season(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    low = await make_season(database, "low", direction="low")
    user_ids = await make_players_with_scores(database, range(6))
    await refresher.refresh()
    assert await audit(settings)
    assert "12 standings in 2 open seasons" in capsys.readouterr().out

    await database.fetch(
        "UPDATE standing SET score = 3, sort_score = 3 WHERE season_id = $1 AND player_id = $2",
        low,
        user_ids[0],
    )
    assert not await audit(settings)
    assert f"low, season 1: player {user_ids[0]}: score is 3" in capsys.readouterr().out


async def test_audit_is_right_while_scores_are_folded(
    database: Database, settings: Settings, redis: Redis
) -> None:
    refresher = Refresher(database, redis, settings.model_copy(update={"refresh_interval_ms": 0}))
    user_ids = await make_players(database, 200)
    ended = asyncio.Event()

    async def play() -> None:
        while not ended.is_set():
            scores = [(user_id, 3) for user_id in user_ids]
            await asyncio.gather(record_scores(database, *scores), refresher.refresh())

    await refresher.refresh()
    playing = asyncio.create_task(play())
    for _ in range(10):
        assert await audit(settings)
    ended.set()
    await playing


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE season SET sealed_at = now(), closed_at = now() WHERE id = $1",
        "DELETE FROM season WHERE id = $1",
    ],
)
async def test_audit_leaves_out_a_season_that_is_closed_or_swapped_meanwhile(
    database: Database,
    settings: Settings,
    redis: Redis,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
    end: str,
) -> None:
    cup = await make_season(database, "cup")
    await make_players_with_scores(database, range(3))
    await refresher.refresh()
    async with hold_writer_lock(database, wait_seconds=60):
        auditing = asyncio.create_task(audit(settings))
        # It has listed the seasons, and waits for its look at the first one.
        await wait_until(lambda: count_lock_waits(database))
        await database.fetch(end, cup)
        await Index(redis, database).drop([cup])
    assert await auditing
    assert "cup, season 1: closed or counted anew meanwhile" in capsys.readouterr().out
