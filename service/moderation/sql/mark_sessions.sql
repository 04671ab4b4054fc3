-- Revokes sessions of a player, or has them count again.
--
-- $1 player, $2 sessions, $3 whether they are revoked. Answers those for which that is new.
-- Index: game_session_pkey. Locks: the sessions.
UPDATE game_session
SET revoked_at = CASE WHEN $3 THEN clock_timestamp() END
WHERE player_id = $1 AND id = ANY ($2::bigint[]) AND (revoked_at IS NOT NULL) <> $3
RETURNING id
