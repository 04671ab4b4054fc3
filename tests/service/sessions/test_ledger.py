"""P2: a session and its pending row are there together or not at all; good rows come through."""

import asyncio
import logging
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from service.backends.broker import connect_broker, disconnect_broker
from service.backends.database import Database
from service.backends.refresh_signal import RefreshSignal
from service.batching import QueueFull
from service.errors import DatabaseUnavailable, SchemaMissing
from service.players.errors import PlayerNotFound
from service.sessions.service import RECORD_SESSIONS, Ledger, Submission
from service.settings.settings import Settings
from tests.support.factories import make_player, make_players
from tests.support.lock_waits import terminate_lock_waits
from tests.support.waiting import wait_until

TERMINATE_RECORDING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND query LIKE '%INSERT INTO game_session%'
"""

# A statement that writes a session stops at one of these moments while the test holds the lock.
STOP_LOCK = 42
STOP_FOR_THE_TEST = f"""
CREATE FUNCTION stop_for_the_test() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_advisory_xact_lock({STOP_LOCK}); RETURN NEW; END';
"""
STOPS = {
    "between the rows": "CREATE TRIGGER stop BEFORE INSERT ON outbox"
    " FOR EACH ROW EXECUTE FUNCTION stop_for_the_test()",
    "at the commit": "CREATE CONSTRAINT TRIGGER stop AFTER INSERT ON outbox"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stop_for_the_test()",
}


@pytest.fixture
async def refresh_signal(redis: Redis, settings: Settings) -> AsyncIterator[RefreshSignal]:
    broker = connect_broker(settings.require_broker_url())
    refresh_signal = RefreshSignal(redis, broker)
    yield refresh_signal
    await refresh_signal.drain()
    disconnect_broker(broker)


@pytest.fixture
async def ledger(
    database: Database, refresh_signal: RefreshSignal, settings: Settings
) -> AsyncIterator[Ledger]:
    ledger = Ledger(database, refresh_signal, settings)
    yield ledger
    await ledger.drain()


async def fetch_ledger(database: Database) -> tuple[list[int], list[int]]:
    """Return the ids in the ledger and in the outbox, in order."""
    sessions = await database.fetch("SELECT id FROM game_session ORDER BY id")
    pending = await database.fetch("SELECT session_id FROM pending_session ORDER BY session_id")
    return [row["id"] for row in sessions], [row["session_id"] for row in pending]


def make_submission(user_id: int, score: int = 1, *, key: str | None = None) -> Submission:
    return Submission(user_id=user_id, score=score, game_mode="solo", idempotency_key=key)


async def test_record_writes_session_and_pending_row(ledger: Ledger, database: Database) -> None:
    user_id = await make_player(database)
    session_id = await ledger.record(make_submission(user_id))
    assert await fetch_ledger(database) == ([session_id], [session_id])


async def test_bad_submissions_spare_their_neighbours(ledger: Ledger, database: Database) -> None:
    first, second = await make_players(database, 2)
    outcomes = await asyncio.gather(
        ledger.record(make_submission(first)),
        ledger.record(make_submission(777)),
        ledger.record(make_submission(second, key="k")),
        ledger.record(make_submission(first)),
        ledger.record(make_submission(778)),
        return_exceptions=True,
    )
    recorded = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert [isinstance(outcome, PlayerNotFound) for outcome in outcomes] == [
        *(False, True, False, False, True)
    ]
    assert await fetch_ledger(database) == (recorded, recorded)


async def test_a_players_later_submission_has_the_higher_id(
    ledger: Ledger, database: Database
) -> None:
    players = await make_players(database, 5)
    submissions = [
        make_submission(player, score, key=f"{score}" if score % 2 else None)
        for score in range(20)
        for player in reversed(players)
    ]
    await asyncio.gather(*map(ledger.record, submissions))
    rows = await database.fetch("SELECT player_id, score FROM game_session ORDER BY id")
    for player in players:
        assert [row["score"] for row in rows if row["player_id"] == player] == list(range(20))


@pytest.mark.parametrize("broken", ["game_session", "outbox"])
async def test_failing_statement_leaves_neither_row(
    ledger: Ledger, database: Database, broken: str
) -> None:
    user_id = await make_player(database)
    await ledger.record(make_submission(user_id))
    before = await fetch_ledger(database)
    # The second row of a batch fails, after the first was written.
    second = before[0][-1] + 2
    rule = {"game_session": "score <= 100", "outbox": f"{second} <> ALL (session_ids)"}[broken]
    await database.fetch(f"ALTER TABLE {broken} ADD CHECK ({rule})")
    outcomes = await asyncio.gather(
        ledger.record(make_submission(user_id, 1)),
        ledger.record(make_submission(user_id, 101)),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, asyncpg.CheckViolationError) for outcome in outcomes)
    assert await fetch_ledger(database) == before


@pytest.mark.parametrize("moment", STOPS)
async def test_backend_killed_before_its_commit_leaves_neither_row(
    ledger: Ledger, database: Database, moment: str
) -> None:
    user_id = await make_player(database)
    async with database.connect() as holder:
        await holder.execute(STOP_FOR_THE_TEST + STOPS[moment])
        await holder.execute(f"SELECT pg_advisory_lock({STOP_LOCK})")
        recording = asyncio.create_task(ledger.record(make_submission(user_id)))
        await wait_until(lambda: count_waiting(database, "advisory"))
        await terminate_lock_waits(database)
        with pytest.raises(DatabaseUnavailable):
            await recording
    assert await fetch_ledger(database) == ([], [])


async def test_backends_killed_at_any_moment_leave_neither_row_or_both(
    ledger: Ledger, database: Database
) -> None:
    user_id = await make_player(database)
    answered: list[int] = []
    refused = 0

    async def submit() -> None:
        nonlocal refused
        for _ in range(40):
            try:
                answered.append(await ledger.record(make_submission(user_id)))
            except DatabaseUnavailable:
                refused += 1

    submitting = asyncio.gather(*(submit() for _ in range(8)))
    while not submitting.done():
        await database.fetch(TERMINATE_RECORDING)
    await submitting
    sessions, pending = await fetch_ledger(database)
    assert sessions == pending
    assert set(answered) <= set(sessions)
    assert len(answered) == len(set(answered))
    assert len(answered) + refused == 320


async def test_aborted_transaction_leaves_neither_row(database: Database) -> None:
    user_id = await make_player(database)

    async def record_and_give_up() -> None:
        async with database.transaction() as connection:
            await connection.fetch(RECORD_SESSIONS, [user_id], [1], ["solo"], [None], [None])
            raise LookupError

    with pytest.raises(LookupError):
        await record_and_give_up()
    assert await fetch_ledger(database) == ([], [])


async def test_full_queue_refuses_and_writes_nothing_for_it(
    database: Database, refresh_signal: RefreshSignal, settings: Settings
) -> None:
    user_id = await make_player(database)
    small = settings.model_copy(update={"submit_queue_limit": 5, "submit_batch_limit": 5})
    ledger = Ledger(database, refresh_signal, small)
    outcomes = await asyncio.gather(
        *(ledger.record(make_submission(user_id)) for _ in range(30)), return_exceptions=True
    )
    recorded = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert all(
        isinstance(outcome, QueueFull) for outcome in outcomes if not isinstance(outcome, int)
    )
    assert 5 <= len(recorded) < 30
    assert await fetch_ledger(database) == (recorded, recorded)


async def test_unanswered_repeat_leaves_its_neighbours_their_answers(
    database: Database, refresh_signal: RefreshSignal, settings: Settings
) -> None:
    own = Database(settings, application_name="leaderboard tests")
    await own.open()
    ledger = Ledger(own, refresh_signal, settings)
    user_id = await make_player(database)
    await ledger.record(make_submission(user_id, key="k"))
    async with database.transaction() as holder, database.connect() as locker:
        # The batch waits for the player; behind it waits one who then keeps the ledger for itself,
        # so that the question for the first answer waits in vain.
        await holder.execute("SELECT FROM player FOR UPDATE")
        recording = asyncio.gather(
            ledger.record(make_submission(user_id, key="k")),
            ledger.record(make_submission(user_id)),
            return_exceptions=True,
        )
        await wait_until(lambda: count_waiting(database, "transactionid"))
        transaction = locker.transaction()
        await transaction.start()
        locking = asyncio.create_task(locker.execute("LOCK TABLE game_session"))
        await wait_until(lambda: count_waiting(database, "relation"))
        await holder.execute("ROLLBACK; BEGIN")
        await locking
        await wait_until(lambda: count_waiting(database, "relation"))
        await terminate_lock_waits(database)
        repeat, neighbour = await recording
        await transaction.rollback()
    assert isinstance(repeat, DatabaseUnavailable)
    assert isinstance(neighbour, int)
    sessions, _ = await fetch_ledger(database)
    assert sessions[1:] == [neighbour]
    await own.close()


async def count_waiting(database: Database, kind: str) -> int:
    row = await database.fetch_one(
        """
        SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND locktype = $1 AND datname = current_database()
        """,
        kind,
    )
    return 0 if row is None else int(row["count"])


async def test_too_many_bulks_at_once_are_refused(ledger: Ledger, database: Database) -> None:
    user_id = await make_player(database)
    outcomes = await asyncio.gather(
        *(ledger.record_many([make_submission(user_id)]) for _ in range(30)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, QueueFull)]
    assert len(refused) == 30 - 18
    assert {error.retry_after_seconds for error in refused} == {1}
    sessions, _ = await fetch_ledger(database)
    assert len(sessions) == 18
    assert await ledger.record_many([make_submission(user_id)])


async def test_every_connection_commits_to_disk_before_it_answers(
    database: Database, settings: Settings
) -> None:
    # Whatever the database's default is.
    row = await database.fetch_one("SELECT current_database() AS name")
    assert row is not None
    await database.fetch(f"ALTER DATABASE {row['name']} SET synchronous_commit = off")
    fresh = Database(settings, application_name="leaderboard tests")
    await fresh.open()
    shown = await fresh.fetch_one("SHOW synchronous_commit")
    await fresh.close()
    assert shown is not None
    assert shown["synchronous_commit"] == "on"


async def test_refused_submits_are_told_of_once_and_why(
    database: Database, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    user_id = await make_player(database)

    def list_told() -> list[str]:
        return [
            one.getMessage() for one in caplog.records if one.name == "service.sessions.service"
        ]

    await database.fetch("ALTER TABLE outbox RENAME TO gone")
    for _ in range(2):
        with pytest.raises(SchemaMissing):
            await ledger.record(Submission(user_id, 1, "solo", None))
    (told,) = list_told()
    assert told.startswith("submits are refused: ")
    assert 'relation "outbox" does not exist' in told

    await database.fetch("ALTER TABLE gone RENAME TO outbox")
    for _ in range(2):
        await ledger.record(Submission(user_id, 1, "solo", None))
    assert list_told() == [told, "submits are taken again"]
