-- A player's sessions, newest first. $1 player id, $2 only sessions before this id, $3 how many.
--
-- Index: game_session_pkey, read backwards.
SELECT id AS session_id, score, game_mode, submitted_at, revoked_at
FROM game_session
WHERE player_id = $1 AND id < $2
ORDER BY id DESC
LIMIT $3
