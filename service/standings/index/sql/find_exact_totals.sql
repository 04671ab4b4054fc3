-- Which of the given players have a total that is exactly at the limit of scores: not beyond it.
--
-- $1 season, $2 player ids. Index: standing_pkey, probed once an id.
SELECT player_id
FROM unnest($2::bigint[]) AS given (player_id)
WHERE (
    SELECT standing.player_id
    FROM standing
    WHERE standing.season_id = $1
        AND standing.player_id = given.player_id
        AND abs(standing.score) = 9007199254740991
        AND standing.exact_total IS NULL
) IS NOT NULL
