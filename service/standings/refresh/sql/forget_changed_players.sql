-- Forgets that standings are to be made again, in the transaction that makes them.
--
-- $1 ids of changed_player. Not the players: a change that is being committed has a row of its own.
--
-- Index: changed_player_pkey. Locks: these rows.
DELETE FROM changed_player WHERE id = ANY ($1::bigint[])
