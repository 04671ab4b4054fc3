"""`audit --board` and `rebuild --board`: one board, and no other."""

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys
from service.boards.errors import BoardNotFound
from service.errors import UsageError
from service.maintenance.audit import audit
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.factories import (
    find_global_season,
    make_players_with_scores,
    make_season,
    record_scores,
)

DAMAGE = "UPDATE standing SET score = 99, sort_score = -99 WHERE season_id = $1 AND player_id = $2"


async def read_offset(redis: Redis, season_id: int) -> bytes | None:
    offset = await redis.get(SeasonKeys.of(season_id).offset)
    assert offset is None or isinstance(offset, bytes)
    return offset


async def test_only_the_board_that_is_named(
    settings: Settings,
    database: Database,
    redis: Redis,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    best = await make_season(database, "best", operator="best")
    everybody = await find_global_season(database)
    user_id, other_id = await make_players_with_scores(database, [5, 7])
    await refresher.refresh()
    for season_id in (best, everybody):
        await database.fetch(DAMAGE, season_id, user_id)
    before = await read_offset(redis, everybody)
    # Pending on both, before and after.
    await record_scores(database, (other_id, 1))
    assert not await audit(settings, "best")
    assert f"best, season 1: player {user_id}: score is 99" in capsys.readouterr().out
    await rebuild(settings, "best")
    assert await audit(settings, "best")
    assert not await audit(settings, "global")
    assert not await audit(settings)
    assert await read_offset(redis, everybody) == before
    await rebuild(settings, "global")
    await refresher.refresh()
    assert await audit(settings)
    rows = await database.fetch("SELECT score FROM standing ORDER BY season_id, player_id")
    assert sorted(row["score"] for row in rows) == [5, 5, 7, 8]


async def test_board_that_is_not_there_or_does_not_count(
    settings: Settings, database: Database
) -> None:
    await make_season(database, "old")
    await database.fetch("UPDATE board SET archived_at = now() WHERE slug = 'old'")
    for command in (audit, rebuild):
        with pytest.raises(BoardNotFound):
            await command(settings, "nowhere")
        with pytest.raises(UsageError, match="'old' counts nothing now"):
            await command(settings, "old")
