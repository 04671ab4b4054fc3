-- Those of a list of sessions that are a player's, by id, and which of them are wanted.
--
-- $1 player, $2 sessions, $3 wanted are those since this time (null: ever), $4 whether those that
-- are revoked. Index: game_session_pkey.
SELECT
    id,
    submitted_at >= coalesce($3::timestamptz, '-infinity') AND (revoked_at IS NOT NULL) = $4
        AS is_wanted
FROM game_session
WHERE player_id = $1 AND id = ANY ($2::bigint[])
ORDER BY id
