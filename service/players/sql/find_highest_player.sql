-- The highest id of a player, 0 where there is none. Index: player_pkey.
SELECT coalesce(max(id), 0) FROM player
