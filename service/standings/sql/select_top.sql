-- The first standings of a season with their names, in the order of the season.
--
-- $1 season, $2 how many.
--
-- Index: standing_season_id_order, read from its start; then player_pkey a row, by a scalar subquery:
-- where the planner does not know how many rows it gets, it would join by reading every player.
SELECT
    player_id,
    (SELECT player.username FROM player WHERE player.id = best.player_id) AS username,
    sort_score,
    tie_key,
    exact_total IS NOT NULL AS saturated
FROM (
    SELECT *
    FROM standing
    WHERE season_id = $1
    ORDER BY sort_score, tie_key, player_id
    LIMIT $2
) AS best
ORDER BY sort_score, tie_key, player_id
