-- The milestones of a season that are not every 250th of its standings.
--
-- $1 season, $2 how many to answer; each row also says how many there are in all. The player is null
-- where there is no standing, or no milestone, of that position.
--
-- Index: standing_season_id_order gives the order.
SELECT
    position,
    placed.player_id,
    milestone.player_id AS stored_player_id,
    count(*) OVER () AS differences
FROM (
    SELECT position, sort_score, tie_key, player_id
    FROM (
        SELECT
            row_number() OVER (ORDER BY sort_score, tie_key, player_id) - 1 AS position,
            sort_score,
            tie_key,
            player_id
        FROM standing
        WHERE season_id = $1
    ) AS numbered
    WHERE position > 0 AND position % 250 = 0
) AS placed
FULL JOIN (SELECT * FROM milestone WHERE season_id = $1) AS milestone USING (position)
WHERE (placed.sort_score, placed.tie_key, placed.player_id)
    IS DISTINCT FROM (milestone.sort_score, milestone.tie_key, milestone.player_id)
ORDER BY position
LIMIT $2
