-- Writes sessions with times of their own to the ledger and to the outbox: one statement, one commit.
--
-- $1 user ids, which are known, $2 scores, $3 game modes, $4 times, $5 idempotency keys, $6 metadata
-- (null: none), $7 times of revocation (null: it counts); one array element a session. Answers player and
-- key of each session that is new, in no order: none for a key that its player has used before, also in
-- an earlier line. A key tells to which line a row belongs, without a join that could become one of each
-- line with each other.
--
-- No time is later than the ledger's. Ids are drawn in order of arrival. Locks: as record_sessions.sql,
-- and in the same order; that of ledger_time() too, for which the end of a season waits.
WITH clock AS MATERIALIZED (
    SELECT ledger_time() AS now
),
numbered AS MATERIALIZED (
    SELECT *, nextval('game_session_id_seq') AS session_id
    FROM clock
    CROSS JOIN unnest(
        $1::bigint[],
        $2::bigint[],
        $3::varchar[],
        $4::timestamptz[],
        $5::varchar[],
        $6::jsonb[],
        $7::timestamptz[]
    ) WITH ORDINALITY AS given
        (user_id, score, game_mode, submitted_at, idempotency_key, metadata, revoked_at, line)
),
recorded AS (
    INSERT INTO game_session
        (id, player_id, score, game_mode, submitted_at, idempotency_key, metadata, revoked_at)
    SELECT
        session_id,
        user_id,
        score,
        game_mode,
        least(submitted_at, now),
        idempotency_key,
        metadata,
        CASE WHEN revoked_at IS NOT NULL THEN least(revoked_at, now) END
    FROM numbered
    ORDER BY user_id, idempotency_key, line
    ON CONFLICT (player_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING player_id, id, idempotency_key
),
pending AS (
    INSERT INTO outbox (player_ids, session_ids)
    SELECT array_agg(player_id), array_agg(id) FROM recorded GROUP BY id / 256
)
SELECT player_id AS user_id, idempotency_key FROM recorded
