-- A player's standing without Redis; no row for a player without one.
--
-- $1 season, $2 player. Index: standing_pkey, player_pkey.
SELECT player.username, standing.score, standing.sort_score
FROM standing
JOIN player ON player.id = standing.player_id
WHERE standing.season_id = $1 AND standing.player_id = $2
