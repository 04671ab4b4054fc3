"""The index of the outbox: small again once the snapshot is gone that had made it large."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from service.backends.database import Database
from service.standings.refresh import outbox_index
from service.standings.refresh.outbox_index import shrink_outbox_index
from service.standings.refresh.refresh import Refresher
from tests.support.factories import make_players_with_scores, record_scores
from tests.support.lock_waits import count_lock_waits
from tests.support.waiting import wait_until

_SMALL = 64 * 1024


async def fill_and_empty(database: Database) -> None:
    """Have 10,000 commits folded: a row and an entry of the index each, all of them dead."""
    await database.fetch(
        "INSERT INTO outbox (transaction_id, player_ids, session_ids)"
        " SELECT number, ARRAY[1], ARRAY[number] FROM generate_series(1, 10000) AS number"
    )
    await database.fetch("DELETE FROM outbox")


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
    await database.fetch("VACUUM outbox")
    assert await read_bytes(database) > 2 * _SMALL

    await shrink_outbox_index(database, _SMALL)

    assert await list_indexes(database) == {"outbox_transaction_id": (8192, True)}
    await make_players_with_scores(database, [1])
    assert (await refresher.refresh()).sessions == 1


async def test_index_stays_while_a_snapshot_keeps_the_rows(
    database: Database, database_url: str
) -> None:
    """Building it would wait for the snapshot, and index whatever came meanwhile."""
    snapshot = await asyncpg.connect(database_url)
    async with snapshot.transaction(isolation="repeatable_read"):
        await snapshot.execute("SELECT FROM outbox")
        await fill_and_empty(database)
        await database.fetch("VACUUM outbox")
        before = await list_indexes(database)
        await shrink_outbox_index(database, _SMALL)
        assert await list_indexes(database) == before
    await snapshot.close()


async def test_small_index_is_left_alone(database: Database) -> None:
    await fill_and_empty(database)
    await database.fetch("VACUUM outbox")
    before = await read_bytes(database)
    await shrink_outbox_index(database)
    assert await read_bytes(database) == before


@asynccontextmanager
async def reading(database_url: str) -> AsyncIterator[None]:
    """Read the outbox in a transaction, as pg_dump does, but only now that its rows are gone."""
    reader = await asyncpg.connect(database_url)
    try:
        async with reader.transaction():
            await reader.execute("LOCK TABLE outbox IN ACCESS SHARE MODE")
            yield
    finally:
        await reader.close()


async def test_submits_and_folds_go_on_while_it_waits_for_a_reader(
    database: Database, database_url: str, refresher: Refresher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_index, "_WAIT_SECONDS", 60.0)
    (user_id,) = await make_players_with_scores(database, [1])
    await refresher.refresh()
    await fill_and_empty(database)
    await database.fetch("VACUUM outbox")
    async with reading(database_url):
        shrinking = asyncio.create_task(shrink_outbox_index(database, _SMALL))
        await wait_until(lambda: count_lock_waits(database))
        await record_scores(database, (user_id, 1))
        assert (await refresher.refresh()).sessions == 1
        assert await count_lock_waits(database) == 1
    await shrinking
    assert await list_indexes(database) == {"outbox_transaction_id": (16384, True)}


async def test_what_was_given_up_is_cleared_away_by_the_next_call(
    database: Database,
    database_url: str,
    refresher: Refresher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(outbox_index, "_WAIT_SECONDS", 0.3)
    await fill_and_empty(database)
    await database.fetch("VACUUM outbox")
    async with reading(database_url):
        for _ in range(2):
            caplog.clear()
            await shrink_outbox_index(database, _SMALL)
            (record,) = caplog.records
            assert "stays large for now: a transaction has kept it" in record.message
            assert len(await list_indexes(database)) == 2
    await shrink_outbox_index(database, _SMALL)
    assert await list_indexes(database) == {"outbox_transaction_id": (8192, True)}
    await make_players_with_scores(database, [1])
    assert (await refresher.refresh()).sessions == 1
