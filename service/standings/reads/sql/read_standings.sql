-- Players' standings without Redis; no row for a player without one.
--
-- $1 season, $2 players. Index: standing_pkey and player_pkey, a probe each, by lateral subqueries that
-- cannot become scans. An array that is a subquery costs the same in any plan, so that one is kept.
SELECT
    standing.player_id,
    (SELECT player.username FROM player WHERE player.id = standing.player_id) AS username,
    standing.sort_score,
    standing.tie_key,
    standing.exact_total IS NOT NULL AS saturated
FROM unnest((SELECT $2::bigint[])) AS given (player_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM standing
    WHERE standing.season_id = $1 AND standing.player_id = given.player_id
    LIMIT 1
) AS standing
