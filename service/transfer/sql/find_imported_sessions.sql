-- Finds the sessions that lines of an import tell of. $1 user ids, $2 idempotency keys, $3 session ids
-- and $4 metadata (null: none).
--
-- Answers a row a line, in their order: the session with the key, else the one with the id, if that is
-- the player's and has no key; nulls where there is neither. Index:
-- game_session_player_id_idempotency_key, game_session_pkey, each a probe a line.
SELECT
    earlier.has_key,
    earlier.score,
    earlier.game_mode,
    earlier.submitted_at,
    earlier.metadata IS NOT DISTINCT FROM given.metadata AS has_same_metadata
FROM unnest($1::bigint[], $2::varchar[], $3::bigint[], $4::jsonb[])
    WITH ORDINALITY AS given (user_id, idempotency_key, session_id, metadata, line)
LEFT JOIN LATERAL (
    (
        SELECT true AS has_key, score, game_mode, submitted_at, metadata
        FROM game_session
        WHERE player_id = given.user_id AND idempotency_key = given.idempotency_key
        LIMIT 1
    )
    UNION ALL
    (
        SELECT false, score, game_mode, submitted_at, metadata
        FROM game_session
        WHERE player_id = given.user_id AND id = given.session_id AND idempotency_key IS NULL
        LIMIT 1
    )
    LIMIT 1
) AS earlier ON true
ORDER BY line
