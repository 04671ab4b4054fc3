from service.schema.migrate import make_script_migration

ID = "2026-11-25T07:20:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "stored ranks by the block, apart from the standings"

FORWARDS = """
-- One good score moves everybody below it, so a re-rank changes nearly every rank. In a row a player
-- that is a new version of the whole table each time; in a row a block of 256 player ids it is one
-- of a few megabytes, and the folds have the standings to themselves.
CREATE TABLE rank_block (
    season_id bigint NOT NULL,
    block bigint NOT NULL,
    players smallint[] NOT NULL,
    ranks integer[] NOT NULL,
    ranked_at timestamptz NOT NULL,
    PRIMARY KEY (season_id, block),
    CONSTRAINT rank_block_one_rank_a_player CHECK (cardinality(players) = cardinality(ranks))
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);
-- Unpacked for each read; compression would cost more than it saves.
ALTER TABLE rank_block ALTER COLUMN players SET STORAGE PLAIN, ALTER COLUMN ranks SET STORAGE MAIN;

-- Processes of the release before this one still use them; the next release drops them.
COMMENT ON COLUMN standing.rank IS 'unused: see ranked_standing';
COMMENT ON COLUMN standing.ranked_at IS 'unused: see rank_block';
COMMENT ON TABLE rank_change IS 'unused: see rank_block';
-- Room for a few new versions in each page; no more all rows get one at once.
ALTER TABLE standing SET (fillfactor = 85);

-- For reports: every standing with the rank that the last re-rank stored, null before its first.
CREATE VIEW ranked_standing AS
SELECT
    season_id,
    player_id,
    score,
    sort_score,
    sessions,
    reached_at,
    (
        SELECT ranks[array_position(players, (standing.player_id & 255)::smallint)]
        FROM rank_block
        WHERE rank_block.season_id = standing.season_id
            AND rank_block.block = standing.player_id >> 8
    )::bigint AS rank
FROM standing;
"""

BACKWARDS = """
DROP VIEW ranked_standing;
ALTER TABLE standing SET (fillfactor = 48);
COMMENT ON COLUMN standing.rank IS NULL;
COMMENT ON COLUMN standing.ranked_at IS NULL;
COMMENT ON TABLE rank_change IS NULL;
UPDATE refresh_state SET rerank_number = 0;
DROP TABLE rank_block;
"""


async def forwards():
    return make_script_migration(ID, DESCRIPTION, FORWARDS, BACKWARDS)
