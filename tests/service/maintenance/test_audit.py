"""`leaderboard audit`: says nothing of what is right, and names what is wrong."""

import re
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.redis import SeasonKeys, encode_member, find_names_bucket
from service.errors import CacheUnavailable
from service.maintenance.audit import audit
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from service.validation import MAX_SCORE
from tests.support.factories import (
    find_global_season,
    make_players_with_scores,
    record_scores,
)
from tests.support.up_process import run_leaderboard

SCORES = [50, 40, 40, 30, 0, -5]


@pytest.fixture
async def user_ids(database: Database, refresher: Refresher, redis: Redis) -> list[int]:
    """Players who stand, ranked, with a score more that is still pending; their top is read."""
    await redis.set(SeasonKeys.of(await find_global_season(database)).asked, 1)
    user_ids = await make_players_with_scores(database, SCORES)
    await refresher.refresh()
    await rerank(database)
    await record_scores(database, (user_ids[0], 7), (user_ids[1], 8))
    return user_ids


@pytest.mark.usefixtures("user_ids")
async def test_audit_agrees_with_what_is_right(
    settings: Settings, refresher: Refresher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await audit(settings)
    told = capsys.readouterr().out
    assert "2 pending sessions" in told
    assert "8 sessions of 6 players, 170 points" in told
    assert "6 standings in 1 open season" in told
    assert "6 compared" in told
    assert "✗" not in told
    assert told.endswith("\n0 differences\n")

    await refresher.refresh()
    assert await audit(settings)
    assert "not compared: standings changed since" in capsys.readouterr().out


@pytest.mark.usefixtures("user_ids")
async def test_audit_changes_nothing(database: Database, settings: Settings, redis: Redis) -> None:
    async def read_everything() -> list[object]:
        ledger, refreshes = ("game_session", "outbox"), ("latest_refresh", "database_state")
        tables = (*ledger, "standing", "season", "season_refresh", *refreshes)
        rows = [await database.fetch(f"SELECT xmin, * FROM {table}") for table in tables]
        keys = sorted(await redis.keys())
        return [*rows, keys, [await redis.dump(key) for key in keys]]

    before = await read_everything()
    assert await audit(settings)
    assert await read_everything() == before


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (
            "UPDATE standing SET score = 41, sort_score = -41 WHERE player_id = $1",
            "player {}: score is 41, by the ledger 40",
        ),
        (
            "UPDATE standing SET sessions = 3 WHERE player_id = $1",
            "player {}: sessions is 3, by the ledger 1",
        ),
        (
            "UPDATE standing SET sort_score = 40 WHERE player_id = $1",
            "player {}: sort_score is 40, by the ledger -40",
        ),
        (
            "UPDATE standing SET session_id = NULL WHERE player_id = $1",
            "player {}: session_id is None, by the ledger 2",
        ),
        (
            "UPDATE standing SET tie_key = 2 WHERE player_id = $1",
            "player {}: tie_key is 2, by the ledger 0",
        ),
        (
            "UPDATE standing SET reached_at = '2020-01-01Z' WHERE player_id = $1",
            "player {}: reached_at is 2020-01-01 00:00:00+00:00, by the ledger ",
        ),
        (
            "DELETE FROM standing WHERE player_id = $1",
            "player {}: no standing, by the ledger 40 points in 1 sessions",
        ),
        (
            "UPDATE standing SET player_id = 999 WHERE player_id = $1",
            "player 999: a standing of 40 points in 1 sessions, none by the ledger",
        ),
        (
            "UPDATE rank_block SET ranks[array_position(players, $1::bigint::smallint)] = 5",
            "player {}: stored 5, must be 2",
        ),
        (
            "UPDATE rank_block SET players = array_replace(players, $1::bigint::smallint, 99)",
            "player {}: stored None, must be 2",
        ),
        (
            "UPDATE rank_block SET players = players || 99::smallint, ranks = ranks || $1::integer",
            "player 99: stored {}, must be None",
        ),
        (
            "UPDATE season_refresh SET players = 7 WHERE $1 > 0",
            "counts 7 players, 6 stand",
        ),
        (
            (
                "UPDATE outbox SET player_ids = player_ids[1:1], session_ids = session_ids[1:1]"
                " WHERE session_ids[2] = $1 + 6"
            ),
            "by the ledger 48",
        ),
        (
            "INSERT INTO outbox SELECT * FROM outbox WHERE $1 > 0",
            "is pending more than once",
        ),
        (
            "INSERT INTO outbox (player_ids, session_ids) SELECT ARRAY[$1::bigint], '{12345}'",
            "session 12345 is pending and not in the ledger",
        ),
    ],
)
async def test_audit_names_what_is_wrong_in_postgres(
    user_ids: list[int],
    database: Database,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    damage: str,
    named: str,
) -> None:
    await database.fetch(damage, user_ids[1])
    assert not await audit(settings)
    told = capsys.readouterr().out
    assert named.format(user_ids[1]) in told
    assert "\n0 differences" not in told


async def test_audit_compares_totals_beyond_what_a_score_holds(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (user_id,) = await make_players_with_scores(database, [MAX_SCORE])
    await record_scores(database, (user_id, 5))
    await refresher.refresh()
    assert await audit(settings)

    await database.fetch("UPDATE standing SET exact_total = exact_total + 1")
    assert not await audit(settings)
    difference = f"exact_total is {MAX_SCORE + 6}, by the ledger {MAX_SCORE + 5}"
    assert f"player {user_id}: {difference}" in capsys.readouterr().out


# Each damages the index, given its keys and a player with 40 points.
async def drop_offset(redis: Redis, keys: SeasonKeys, _: int) -> None:
    await redis.delete(keys.offset)


async def set_offset_back(redis: Redis, keys: SeasonKeys, _: int) -> None:
    stored = await redis.get(keys.offset)
    assert isinstance(stored, bytes)
    assert b":1." in stored
    await redis.set(keys.offset, stored.replace(b":1.", b":0."))


async def set_wrong_score(redis: Redis, keys: SeasonKeys, user_id: int) -> None:
    await redis.zadd(keys.index, {encode_member(user_id): -41})


async def drop_member(redis: Redis, keys: SeasonKeys, user_id: int) -> None:
    await redis.zrem(keys.index, encode_member(user_id))


async def add_stranger(redis: Redis, keys: SeasonKeys, _: int) -> None:
    await redis.zadd(keys.index, {encode_member(999): 1})


async def add_nonsense(redis: Redis, keys: SeasonKeys, _: int) -> None:
    await redis.zadd(keys.index, {b"nonsense!": 1, b"\xff" * 8: 1})


async def set_wrong_name(redis: Redis, _: SeasonKeys, user_id: int) -> None:
    await redis.hset(find_names_bucket(user_id), str(user_id), "somebody else")


async def change_top(redis: Redis, keys: SeasonKeys, _: int) -> None:
    stored = await redis.get(keys.top)
    assert isinstance(stored, bytes)
    changed = stored.replace(b'"sort_scores":[-50', b'"sort_scores":[-51')
    assert changed != stored
    await redis.set(keys.top, changed)


async def spoil_top(redis: Redis, keys: SeasonKeys, _: int) -> None:
    await redis.set(keys.top, "{")


async def drop_everything(redis: Redis, _keys: SeasonKeys, _: int) -> None:
    await redis.flushall()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (drop_offset, "at nowhere, the standings at"),
        (set_offset_back, "the next refresh rebuilds it"),
        (set_wrong_score, "player {}: sort_score -40, in the index -41"),
        (drop_member, "player {}: sort_score -40, not in the index"),
        (add_stranger, "player 999 is in the index and does not stand"),
        (add_nonsense, "b'nonsense!' is in the index and does not stand"),
        (set_wrong_name, "player {}: another name is kept"),
        (change_top, "line 1 differs"),
        (spoil_top, "not readable"),
        (drop_everything, "at nowhere"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_audit_names_what_is_wrong_in_redis(
    user_ids: list[int],
    database: Database,
    settings: Settings,
    redis: Redis,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Redis, SeasonKeys, int], Awaitable[None]],
    named: str,
) -> None:
    keys = SeasonKeys.of(await find_global_season(database))
    await damage(redis, keys, user_ids[1])
    assert not await audit(settings)
    assert named.format(user_ids[1]) in capsys.readouterr().out


async def test_audit_accepts_an_index_without_names(
    user_ids: list[int], settings: Settings, redis: Redis
) -> None:
    """Names are kept when they are needed; a missing one is no difference."""
    await redis.delete(*{find_names_bucket(user_id) for user_id in user_ids})
    assert await audit(settings)


@pytest.mark.usefixtures("user_ids")
async def test_audit_without_redis_still_compares_ledger_and_standings(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(CacheUnavailable, match="REDIS_URL"):
        await audit(nowhere)
    told = capsys.readouterr().out
    assert "✓ Standings" in told
    assert told.endswith("\n0 differences in PostgreSQL, the index was not compared\n")


def test_audit_command_tells_by_its_exit_status(settings: Settings) -> None:
    assert settings.database_url
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LC_ALL": "C",
    }
    finished = run_leaderboard("audit", environment=environment)
    assert finished.returncode == 1
    assert "1 difference" not in finished.stdout
    assert re.search(r"^!! Index \w+: not compared$", finished.stdout, re.MULTILINE)
    assert finished.stdout.isascii()
    assert finished.stderr.startswith("error: cannot use Redis at 127.0.0.1:1: ")
    assert finished.stderr.count("\n") == 1
