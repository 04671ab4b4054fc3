-- The players whose standings are to be made again next, in the order of their changes.
--
-- $1 how many changes. Index: changed_player_pkey.
SELECT id, player_id FROM changed_player ORDER BY id LIMIT $1
