-- Which of the given players have no standing in a season.
--
-- $1 season, $2 player ids. Index: standing_pkey, probed once an id.
SELECT player_id
FROM unnest($2::bigint[]) AS given (player_id)
WHERE (
    SELECT standing.player_id
    FROM standing
    WHERE standing.season_id = $1 AND standing.player_id = given.player_id
) IS NULL
ORDER BY player_id
