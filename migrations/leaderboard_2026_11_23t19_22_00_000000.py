from service.schema.migrate import make_script_migration

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


async def forwards():
    return make_script_migration(ID, DESCRIPTION, FORWARDS, BACKWARDS)
