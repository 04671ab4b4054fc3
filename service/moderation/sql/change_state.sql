-- Gives a player a state. $1 player, $2 state, $3 until when, null: until it is changed.
--
-- Index: player_pkey. Locks: the player.
UPDATE player SET state = $2, state_until = $3 WHERE id = $1
