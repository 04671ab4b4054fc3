from service.schema.migrate import make_script_migration

ID = "2026-11-23T18:25:48:683481"
VERSION = "1.38.0"
DESCRIPTION = "keys, indexes, checks and the global board"

FORWARDS = """
ALTER TABLE player
    ADD CONSTRAINT player_username_not_empty CHECK (username <> '');

ALTER TABLE board
    ADD CONSTRAINT board_operator_known CHECK (operator IN ('sum', 'best', 'latest')),
    ADD CONSTRAINT board_direction_known CHECK (direction IN ('high', 'low')),
    ADD CONSTRAINT board_bounds_ordered CHECK (min_score <= max_score);

-- The ledger. The first index answers "this player's sessions, in order"; the second is promise
-- P3: a key makes at most one session of a player.
CREATE INDEX game_session_player_id_id ON game_session (player_id, id);
CREATE UNIQUE INDEX game_session_player_id_idempotency_key
    ON game_session (player_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The outbox is appended to by submits and emptied by refreshes, always by a scan of what little
-- is there; an index would only add writes. It is vacuumed often, so that the scan stays short,
-- and never truncated, because truncation would lock out submits.
ALTER TABLE pending_session DROP CONSTRAINT pending_session_pkey;
ALTER TABLE pending_session ALTER COLUMN session_id DROP DEFAULT;
ALTER TABLE pending_session SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);

-- Free space in every page lets a re-rank store its ranks beside the old version of a row, with
-- no index entry to write (a heap-only update).
ALTER TABLE standing DROP CONSTRAINT standing_pkey;
ALTER TABLE standing
    ADD PRIMARY KEY (season_id, player_id),
    ADD CONSTRAINT standing_score_exact_in_redis
        CHECK (score BETWEEN -9007199254740992 AND 9007199254740992),
    ADD CONSTRAINT standing_sort_score_is_score CHECK (abs(sort_score) = abs(score)),
    ADD CONSTRAINT standing_sessions_positive CHECK (sessions > 0),
    ALTER COLUMN season_id DROP DEFAULT,
    ALTER COLUMN player_id DROP DEFAULT,
    ALTER COLUMN sort_score DROP DEFAULT,
    SET (
        fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_vacuum_cost_delay = 0
    );
-- The order of a season, ties by player: read from its start for the top, scanned for a re-rank.
CREATE INDEX standing_season_id_sort_score_player_id
    ON standing (season_id, sort_score, player_id);

ALTER TABLE refresh_state ADD CONSTRAINT refresh_state_single_row CHECK (id = 1);
INSERT INTO refresh_state (id, epoch) VALUES (1, gen_random_uuid());

WITH global AS (
    INSERT INTO board (slug, title) VALUES ('global', 'Global') RETURNING id
)
INSERT INTO season (board_id, number, starts_at) SELECT id, 1, '-infinity' FROM global;
"""

BACKWARDS = """
DELETE FROM season WHERE board_id = (SELECT id FROM board WHERE slug = 'global');
DELETE FROM board WHERE slug = 'global';
DELETE FROM refresh_state;
ALTER TABLE refresh_state DROP CONSTRAINT refresh_state_single_row;

DROP INDEX standing_season_id_sort_score_player_id;
ALTER TABLE standing
    DROP CONSTRAINT standing_pkey,
    DROP CONSTRAINT standing_score_exact_in_redis,
    DROP CONSTRAINT standing_sort_score_is_score,
    DROP CONSTRAINT standing_sessions_positive;

DROP INDEX game_session_player_id_idempotency_key;
DROP INDEX game_session_player_id_id;

ALTER TABLE board
    DROP CONSTRAINT board_operator_known,
    DROP CONSTRAINT board_direction_known,
    DROP CONSTRAINT board_bounds_ordered;
ALTER TABLE player DROP CONSTRAINT player_username_not_empty;
"""


async def forwards():
    return make_script_migration(ID, DESCRIPTION, FORWARDS, BACKWARDS)
