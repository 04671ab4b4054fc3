-- The run of a season's standings before a place without Redis, best first.
--
-- $1 season; $2 to $4 the sort_score, tie_key and player of the place; $5 how many.
--
-- Index: standing_season_id_order from the place on; player_pkey a row, by a scalar subquery, which
-- cannot become a scan.
SELECT
    player_id,
    (SELECT player.username FROM player WHERE player.id = listed.player_id) AS username,
    sort_score,
    tie_key,
    exact_total IS NOT NULL AS saturated
FROM (
    SELECT *
    FROM standing
    WHERE season_id = $1 AND (sort_score, tie_key, player_id) < ($2, $3, $4)
    ORDER BY sort_score DESC, tie_key DESC, player_id DESC
    LIMIT $5
) AS listed
ORDER BY sort_score, tie_key, player_id
