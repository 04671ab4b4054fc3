-- Has the standings of a player be made again, and published.
--
-- $1 player. In the transaction of what changed. Locks: the new row.
INSERT INTO changed_player (player_id) VALUES ($1)
