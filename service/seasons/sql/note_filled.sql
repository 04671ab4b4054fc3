-- Notes how far a season is filled.
--
-- $1 season, $2 the player with whom that goes on, null after the last one; $3 how many more stand.
UPDATE season SET fill_from_player = $2, players = players + $3 WHERE id = $1
