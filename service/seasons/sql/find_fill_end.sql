-- Where a slice of players ends.
--
-- $1 lowest player id, $2 how many players. Answers the last one, null where there are none, and whether
-- it is the last of all. Index: player_pkey.
SELECT max(id) AS last_player_id, count(*) < $2 AS is_end
FROM (SELECT id FROM player WHERE id >= $1 ORDER BY id LIMIT $2) AS slice
