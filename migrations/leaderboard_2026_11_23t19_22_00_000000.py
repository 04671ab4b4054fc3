from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder

ID = "2026-11-23T19:22:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "where a re-rank keeps the ranks that it is about to store"

FORWARDS = """
-- Written and emptied by each re-rank; not logged, because a crash only makes the next one start
-- over. Read by ranges of ctid, so it needs no key.
CREATE UNLOGGED TABLE rank_change (
    season_id bigint NOT NULL,
    player_id bigint NOT NULL,
    rank bigint NOT NULL
) WITH (autovacuum_enabled = off);
"""

BACKWARDS = "DROP TABLE rank_change;"


async def run(script):
    # The asyncpg connection of the migration's own transaction: Piccolo's raw() parses braces and
    # takes one statement only.
    transaction = engine_finder().current_transaction.get()
    await transaction.connection.execute(script)


async def forwards():
    manager = MigrationManager(migration_id=ID, app_name="leaderboard", description=DESCRIPTION)

    async def run_forwards():
        await run(FORWARDS)

    async def run_backwards():
        await run(BACKWARDS)

    manager.add_raw(run_forwards)
    manager.add_raw_backwards(run_backwards)
    return manager
