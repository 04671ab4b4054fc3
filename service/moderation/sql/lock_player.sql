-- A player who was not deleted, until the transaction ends.
--
-- $1 player. Locks: the row, against other changes of the player, not against submits.
SELECT username, external_id, state, state_until, joined_at
FROM player
WHERE id = $1 AND deleted_at IS NULL
FOR NO KEY UPDATE
