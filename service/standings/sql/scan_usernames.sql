-- The names of everybody who stands in a season, by id, so that neighbours share a bucket.
--
-- $1 season. Index: standing_pkey for the order; player by primary key.
SELECT standing.player_id, player.username
FROM standing
JOIN player ON player.id = standing.player_id
WHERE standing.season_id = $1
ORDER BY standing.player_id
