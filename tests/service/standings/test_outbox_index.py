"""The outbox and its index: small again once the snapshot is gone that had made them large."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh import outbox_index
from service.standings.refresh.outbox_index import FIND_OUTBOX_INDEXES, shrink_outbox_index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores, record_scores
from tests.support.lock_waits import cancel_lock_waits, count_lock_waits
from tests.support.waiting import wait_until
from tests.support.worker_process import run_worker, send_sweep

_SMALL = 64 * 1024


# What a report keeps, which reads something else; and what pg_dump keeps as well until it is done.
_SNAPSHOT = "SELECT FROM board"
_LOCK = "LOCK TABLE outbox IN ACCESS SHARE MODE"


@pytest.fixture(autouse=True)
async def small_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Let it wait as long as a busy machine takes, and leave the next test a small index."""
    monkeypatch.setattr(outbox_index, "_WAIT_SECONDS", 60.0)
    monkeypatch.setattr(outbox_index, "_OLD_SECONDS", 600.0)
    yield
    await database.fetch("TRUNCATE outbox")


@asynccontextmanager
async def reading(database_url: str, statement: str) -> AsyncIterator[None]:
    """Run a statement in a transaction that stays open inside the block."""
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.execute(statement)
            yield
    finally:
        await reader.close()


async def fill_and_empty(database: Database) -> None:
    """Have 10,000 commits folded and cleared away: of each there was a row, and an entry."""
    await database.fetch(
        "INSERT INTO outbox (transaction_id, player_ids, session_ids)"
        " SELECT number, ARRAY[1], ARRAY[number] FROM generate_series(1, 10000) AS number"
    )
    await database.fetch("DELETE FROM outbox")
    await database.fetch("VACUUM outbox")


async def make_unfinished(database: Database, name: str) -> None:
    """Make an index as it is while it is being built, or once that was broken off."""
    await database.fetch(f"CREATE INDEX {name} ON outbox (transaction_id)")
    await database.fetch(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::text::regclass", name
    )


async def list_indexes(database: Database) -> dict[str, tuple[int, bool]]:
    """Return the bytes of each index of the outbox, and whether it is whole."""
    rows = await database.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_relation_size(indexrelid) AS bytes,"
        " indisvalid FROM pg_index WHERE indrelid = 'outbox'::regclass"
    )
    return {row["name"]: (row["bytes"], row["indisvalid"]) for row in rows}


async def read_bytes(database: Database) -> int:
    return (await list_indexes(database))["outbox_transaction_id"][0]


async def test_index_is_small_after_the_rows_that_made_it_large(
    database: Database, refresher: Refresher
) -> None:
    await fill_and_empty(database)
    assert await read_bytes(database) > 2 * _SMALL

    await shrink_outbox_index(database, _SMALL)

    assert await list_indexes(database) == {"outbox_transaction_id": (8192, True)}
    await make_players_with_scores(database, [1])
    assert (await refresher.refresh()).sessions == 1


async def test_table_is_cut_off_though_few_rows_are_left_to_clear_away(
    database: Database,
) -> None:
    """Vacuum would leave them to their index entries, and the file its length."""
    await database.fetch(
        "INSERT INTO outbox (transaction_id, player_ids, session_ids)"
        " SELECT number, ARRAY[1], ARRAY[number] FROM generate_series(1, 20000) AS number"
    )
    await database.fetch("DELETE FROM outbox WHERE transaction_id < 20000")
    await database.fetch("VACUUM outbox")
    await database.fetch("DELETE FROM outbox")
    await database.fetch("VACUUM outbox")
    size = await database.fetch_one("SELECT pg_relation_size('outbox') AS bytes")
    assert size is not None
    assert size["bytes"] == 0


async def test_index_stays_while_a_snapshot_keeps_the_rows(
    database: Database, database_url: str
) -> None:
    """Building it would wait for the snapshot, and index whatever came meanwhile."""
    async with reading(database_url, _SNAPSHOT):
        await fill_and_empty(database)
        before = await list_indexes(database)
        await shrink_outbox_index(database, _SMALL)
        assert await list_indexes(database) == before


async def test_small_index_is_left_alone(database: Database) -> None:
    await fill_and_empty(database)
    before = await read_bytes(database)
    await shrink_outbox_index(database)
    assert await read_bytes(database) == before


@pytest.mark.parametrize("statement", [_SNAPSHOT, _LOCK])
async def test_submits_and_folds_go_on_while_it_waits_for_others(
    database: Database,
    database_url: str,
    refresher: Refresher,
    statement: str,
) -> None:
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    await fill_and_empty(database)
    async with reading(database_url, statement):
        shrinking = asyncio.create_task(shrink_outbox_index(database, _SMALL))
        await wait_until(lambda: count_lock_waits(database))
        await record_scores(database, (user_id, 1))
        assert (await refresher.refresh()).sessions == 1
        assert await count_lock_waits(database) == 1
    await shrinking
    indexes = await list_indexes(database)
    assert [*indexes] == ["outbox_transaction_id"]
    assert indexes["outbox_transaction_id"][0] < _SMALL


@pytest.mark.parametrize(
    ("statement", "left"), [(_SNAPSHOT, "_ccnew"), (_LOCK, "_ccold")], ids=["snapshot", "lock"]
)
async def test_what_was_given_up_is_cleared_away_by_the_next_call(
    database: Database,
    database_url: str,
    refresher: Refresher,
    caplog: pytest.LogCaptureFixture,
    statement: str,
    left: str,
) -> None:
    await fill_and_empty(database)
    async with reading(database_url, statement):
        shrinking = asyncio.create_task(shrink_outbox_index(database, _SMALL))
        await wait_until(lambda: count_lock_waits(database))
        await cancel_lock_waits(database)
        await shrinking
        (record,) = caplog.records
        assert record.message.startswith(
            "REINDEX INDEX CONCURRENTLY outbox_transaction_id failed: QueryCanceledError"
        )
        assert f"outbox_transaction_id{left}" in await list_indexes(database)
    await shrink_outbox_index(database, _SMALL)
    assert await list_indexes(database) == {"outbox_transaction_id": (8192, True)}
    await make_players_with_scores(database, [1])
    assert (await refresher.refresh()).sessions == 1


async def test_it_is_given_up_in_time(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outbox_index, "_WAIT_SECONDS", 0.1)
    await fill_and_empty(database)
    async with reading(database_url, _SNAPSHOT):
        await shrink_outbox_index(database, _SMALL)
    (record,) = caplog.records
    assert record.message == (
        "REINDEX INDEX CONCURRENTLY outbox_transaction_id was given up after 0.1 s, in which others"
        " had transactions open"
    )


async def test_it_is_not_tried_while_an_old_snapshot_is_held(
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would be given up each minute, and leave each time what submits have to keep up."""
    monkeypatch.setattr(outbox_index, "_OLD_SECONDS", 0.0)
    await fill_and_empty(database)
    before = await list_indexes(database)
    async with reading(database_url, _SNAPSHOT):
        await shrink_outbox_index(database, _SMALL)
        assert await list_indexes(database) == before
    assert not caplog.records


async def test_who_does_not_own_the_outbox_leaves_its_index_alone(
    database: Database,
) -> None:
    await fill_and_empty(database)
    async with database.connect() as connection:
        await connection.execute("SET ROLE pg_monitor")
        assert not await connection.fetch(FIND_OUTBOX_INDEXES, _SMALL, 600)
        await connection.execute("RESET ROLE")
        assert await connection.fetch(FIND_OUTBOX_INDEXES, _SMALL, 600)


async def test_what_postgres_refuses_is_told_and_ends_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where another sweep has dropped the leftover meanwhile."""
    statement = "SELECT 'nowhere' AS name, true AS is_leftover WHERE $1::bigint + $2::int > 0"
    monkeypatch.setattr(outbox_index, "FIND_OUTBOX_INDEXES", statement)
    await shrink_outbox_index(database)
    (record,) = caplog.records
    assert record.message.startswith(
        "DROP INDEX CONCURRENTLY nowhere failed: UndefinedObjectError: "
    )


async def test_invalid_index_of_somebody_else_is_left_alone(database: Database) -> None:
    """An operator's, which is being built."""
    await make_unfinished(database, "made_by_hand")
    await shrink_outbox_index(database, _SMALL)
    assert "made_by_hand" in await list_indexes(database)


async def test_sweep_clears_away_what_was_given_up(database: Database, settings: Settings) -> None:
    await make_unfinished(database, "outbox_transaction_id_ccnew")

    async def is_cleared_away() -> bool:
        return [*await list_indexes(database)] == ["outbox_transaction_id"]

    with run_worker(settings):
        send_sweep(settings)
        await wait_until(is_cleared_away)
