-- Gives a player another name. $1 player, $2 name.
--
-- Index: player_pkey. Locks: the player; a name that another transaction has just taken is waited for.
UPDATE player SET username = $2 WHERE id = $1
