-- Gives a player another name. $1 player, $2 name. Index: player_username_key.
UPDATE player SET username = $2 WHERE id = $1
