-- The highest player id; 0 without any player. Index: the end of player_pkey.
SELECT coalesce(max(id), 0) AS player_id FROM player
