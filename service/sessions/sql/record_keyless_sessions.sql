-- Writes a batch of submissions without idempotency keys to the ledger and to the outbox: one
-- statement, one commit.
--
-- $1 user ids, $2 scores, $3 game modes, $4 metadata (null: none); one array element a submission.
-- Answers one row a submission, in their order: session_id is null for an unknown player and, with
-- is_banned, for one who is.
--
-- Apart from record_sessions.sql because ON CONFLICT, which no row of these can meet, has every row
-- inserted on approval and confirmed afterwards: half of what the whole costs.
--
-- Players, whose id is negative where they are banned, are looked up by a scalar subquery, which is an
-- index probe whatever the statistics say. Ids are drawn in order of arrival, and after the time of the
-- ledger: whoever may still write sessions of a time, or of an id, holds the lock of ledger_time().
-- Locks: none that another batch waits for.
WITH clock AS MATERIALIZED (
    SELECT ledger_time() AS now
),
submission AS MATERIALIZED (
    SELECT
        line,
        score,
        game_mode,
        metadata,
        now,
        player_id,
        CASE WHEN player_id > 0 THEN nextval('game_session_id_seq') END AS session_id
    FROM (
        SELECT
            line,
            score,
            game_mode,
            metadata,
            now,
            (
                SELECT CASE player.state WHEN 'banned' THEN -player.id ELSE player.id END
                FROM player
                WHERE player.id = user_id AND player.deleted_at IS NULL
            ) AS player_id
        FROM clock
        CROSS JOIN unnest($1::bigint[], $2::bigint[], $3::varchar[], $4::jsonb[])
            WITH ORDINALITY AS given (user_id, score, game_mode, metadata, line)
        OFFSET 0
    ) AS known
),
recorded AS (
    INSERT INTO game_session (id, player_id, score, game_mode, submitted_at, metadata)
    SELECT session_id, player_id, score, game_mode, now, metadata
    FROM submission
    WHERE session_id IS NOT NULL
),
pending AS (
    INSERT INTO outbox (player_ids, session_ids)
    SELECT array_agg(player_id), array_agg(session_id)
    FROM submission
    WHERE session_id IS NOT NULL
    GROUP BY session_id / 256
)
SELECT session_id, player_id < 0 AS is_banned FROM submission ORDER BY line
