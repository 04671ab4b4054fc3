-- The sessions of a player that count in a season, those that make the standing first.
--
-- $1 season, $2 player, $3 how many. Of a sum all of them make it, newest first.
--
-- Index: game_session_pkey for the sessions of this player.
SELECT counted.id AS session_id, counted.score, counted.submitted_at
FROM counted_session AS counted
WHERE counted.season_id = $1 AND counted.player_id = $2
ORDER BY counted.pick_key, counted.pick_id
LIMIT $3
