-- Finds the sessions that earlier submissions made with these keys, to answer them again.
--
-- $1 user ids, $2 idempotency keys, $3 metadata (null: none); one array element a submission. Answers
-- one row a submission, in their order, with whether there is no such player by now. Runs after
-- record_sessions.sql, in a newer snapshot, so that it sees sessions that a concurrent batch committed
-- meanwhile.
--
-- Index: game_session_player_id_idempotency_key; the lateral LIMIT keeps it a probe a line. player_pkey;
-- so does the scalar subquery.
SELECT
    earlier.id AS session_id,
    earlier.score,
    earlier.game_mode,
    earlier.metadata IS NOT DISTINCT FROM given.metadata AS has_same_metadata,
    (
        SELECT player.id FROM player WHERE player.id = given.user_id AND player.deleted_at IS NULL
    ) IS NULL AS is_unknown
FROM unnest($1::bigint[], $2::varchar[], $3::jsonb[])
    WITH ORDINALITY AS given (user_id, idempotency_key, metadata, line)
LEFT JOIN LATERAL (
    SELECT id, score, game_mode, metadata
    FROM game_session
    WHERE player_id = given.user_id AND idempotency_key = given.idempotency_key
    LIMIT 1
) AS earlier ON true
ORDER BY line
