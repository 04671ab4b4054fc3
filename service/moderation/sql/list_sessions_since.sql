-- The sessions of a player since a time that count, or that are revoked, by id.
--
-- $1 player, $2 time (null: ever), $3 whether those that are revoked, $4 how many.
-- Index: game_session_pkey, the sessions of this player.
SELECT id
FROM game_session
WHERE player_id = $1
    AND submitted_at >= coalesce($2::timestamptz, '-infinity')
    AND (revoked_at IS NOT NULL) = $3
ORDER BY id
LIMIT $4
