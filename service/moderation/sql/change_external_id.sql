-- Gives a player another external id. $1 player, $2 external id, null for none.
--
-- Index: player_pkey. Locks: the player; an external id that another transaction has just taken is
-- waited for.
UPDATE player SET external_id = $2 WHERE id = $1
