-- Erases who a player was. $1 player, $2 whether the scores leave the boards too.
--
-- Index: game_session_pkey. Locks: the player, the sessions with something to erase.
WITH erased AS (
    UPDATE game_session
    SET idempotency_key = NULL, metadata = NULL
    WHERE player_id = $1 AND (idempotency_key IS NOT NULL OR metadata IS NOT NULL)
)
UPDATE player
SET
    username = 'deleted-' || id,
    external_id = NULL,
    deleted_at = clock_timestamp(),
    state = CASE WHEN $2 THEN 'banned' ELSE state END,
    state_until = CASE WHEN NOT $2 THEN state_until END
WHERE id = $1
