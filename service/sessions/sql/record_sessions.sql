-- Writes a batch of submissions to the ledger and to the outbox: one statement, one commit.
--
-- $1 user ids, $2 scores, $3 game modes, $4 idempotency keys (null: none); one array element a
-- submission. Answers one row a submission, in their order: session_id is null for an unknown
-- player; recorded is false where the player has used the key before.
--
-- Players are looked up by a scalar subquery, which is an index probe whatever the statistics say;
-- a join to the same array can flip to a scan of the whole player table.
--
-- Locks: the unique index on (player_id, idempotency_key) makes two batches with the same key wait
-- for each other. All batches insert in the order of that index, so they cannot wait in a circle.
WITH clock AS MATERIALIZED (
    SELECT ledger_time() AS now
),
submission AS MATERIALIZED (
    SELECT
        line,
        score,
        game_mode,
        now,
        idempotency_key,
        (SELECT player.id FROM player WHERE player.id = user_id) AS player_id
    FROM clock
    CROSS JOIN unnest($1::bigint[], $2::bigint[], $3::varchar[], $4::varchar[])
        WITH ORDINALITY AS given (user_id, score, game_mode, idempotency_key, line)
),
-- Ids are drawn in order of arrival, so that a player's later session has the higher id, and after the
-- ledger's time: whoever may still write sessions of a time, or of an id, holds the lock of ledger_time().
numbered AS MATERIALIZED (
    SELECT *, nextval('game_session_id_seq') AS session_id
    FROM submission
    WHERE player_id IS NOT NULL
),
recorded AS (
    INSERT INTO game_session (id, player_id, score, game_mode, submitted_at, idempotency_key)
    SELECT session_id, player_id, score, game_mode, now, idempotency_key
    FROM numbered
    ORDER BY player_id, idempotency_key, line
    ON CONFLICT (player_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING player_id, id
),
pending AS (
    INSERT INTO outbox (player_ids, session_ids)
    SELECT array_agg(player_id), array_agg(id) FROM recorded GROUP BY id / 256
)
SELECT numbered.session_id, recorded.id IS NOT NULL AS recorded
FROM submission
LEFT JOIN numbered USING (line)
LEFT JOIN recorded ON recorded.id = numbered.session_id
ORDER BY line
