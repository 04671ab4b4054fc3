-- Writes a batch of submissions without idempotency keys to the ledger and to the outbox: one
-- statement, one commit.
--
-- $1 user ids, $2 scores, $3 game modes; one array element a submission. Answers one row a
-- submission, in their order: session_id is null for an unknown player.
--
-- Apart from record_sessions.sql because ON CONFLICT, which no row of these can meet, has every row
-- inserted on approval and confirmed afterwards: half of what the whole costs.
--
-- Players are looked up by a scalar subquery, which is an index probe whatever the statistics say.
-- Ids are drawn in order of arrival, and after the ledger's time: whoever may still write sessions of a
-- time, or of an id, holds the lock of ledger_time(). Locks: none that another batch waits for.
WITH clock AS MATERIALIZED (
    SELECT ledger_time() AS now
),
submission AS MATERIALIZED (
    SELECT
        line,
        score,
        game_mode,
        now,
        player_id,
        CASE WHEN player_id IS NOT NULL THEN nextval('game_session_id_seq') END AS session_id
    FROM (
        SELECT
            line,
            score,
            game_mode,
            now,
            (SELECT player.id FROM player WHERE player.id = user_id) AS player_id
        FROM clock
        CROSS JOIN unnest($1::bigint[], $2::bigint[], $3::varchar[])
            WITH ORDINALITY AS given (user_id, score, game_mode, line)
        OFFSET 0
    ) AS known
),
recorded AS (
    INSERT INTO game_session (id, player_id, score, game_mode, submitted_at)
    SELECT session_id, player_id, score, game_mode, now
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
SELECT session_id FROM submission ORDER BY line
