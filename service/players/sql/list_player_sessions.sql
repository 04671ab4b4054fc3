-- A player's sessions, newest first. $1 player id, $2 only sessions before this id, $3 how many.
--
-- Index: game_session_player_id_id, read backwards. The player is given as a range, and sorted by,
-- so that no other index has the order: an equality would let the planner walk the whole ledger
-- backwards by its primary key in search of a rare player.
SELECT id AS session_id, score, game_mode, submitted_at
FROM game_session
WHERE player_id BETWEEN $1 AND $1 AND id < $2
ORDER BY player_id DESC, id DESC
LIMIT $3
