-- Gives a player another external id. $1 player, $2 external id, null for none.
--
-- Index: player_external_id_key.
UPDATE player SET external_id = $2 WHERE id = $1
