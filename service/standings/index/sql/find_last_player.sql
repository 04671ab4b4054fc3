-- The last of the next players of a season by id, null where there are none, and how many they are.
--
-- $1 season, $2 lowest id, $3 how many players. Index: standing_pkey.
SELECT max(player_id) AS player_id, count(*) AS players
FROM (
    SELECT player_id
    FROM standing
    WHERE season_id = $1 AND player_id >= $2
    ORDER BY player_id
    LIMIT $3
) AS run
