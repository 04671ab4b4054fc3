-- The first standings of a season with their ranks and names; players that tie are listed by id.
--
-- $1 season, $2 how many. The rank over the first rows alone is the true one, because nobody better
-- is left out.
--
-- Index: standing_season_id_order, read from its start; then player_pkey a row, by a
-- scalar subquery: where the planner does not know how many rows it gets, it would join by reading
-- every player.
SELECT
    best.player_id,
    (SELECT player.username FROM player WHERE player.id = best.player_id) AS username,
    best.score,
    best.exact_total IS NOT NULL AS saturated,
    rank() OVER (ORDER BY best.sort_score) AS rank
FROM (
    SELECT player_id, score, sort_score, exact_total
    FROM standing
    WHERE season_id = $1
    ORDER BY sort_score, player_id
    LIMIT $2
) AS best
ORDER BY best.sort_score, best.player_id
