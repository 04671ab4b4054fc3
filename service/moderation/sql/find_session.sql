-- A session by id alone, until the transaction ends.
--
-- $1 session. Index: game_session_id, some pages. Locks: the row, so that of two who revoke it one does.
SELECT id AS session_id, player_id AS user_id, score, game_mode, submitted_at, revoked_at
FROM game_session
WHERE id = $1
FOR NO KEY UPDATE
