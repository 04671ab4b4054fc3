-- Erases what sessions say of who their players were: metadata and idempotency keys.
--
-- $1 players. Index: game_session_pkey. Locks: the sessions with something to erase.
UPDATE game_session
SET idempotency_key = NULL, metadata = NULL
WHERE player_id = ANY ($1::bigint[]) AND (idempotency_key IS NOT NULL OR metadata IS NOT NULL)
