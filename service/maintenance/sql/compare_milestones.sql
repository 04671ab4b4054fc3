-- The milestones of some seasons that are not every 250th of their standings.
--
-- $1 seasons, $2 how many to answer; each row also says how many there are in all. The player is null
-- where there is no standing, or no milestone, of that position.
--
-- Index: standing_season_id_order gives the order.
SELECT
    season_id,
    position,
    placed.player_id,
    milestone.player_id AS stored_player_id,
    count(*) OVER () AS differences
FROM (
    SELECT season_id, position, sort_score, tie_key, player_id
    FROM (
        SELECT
            season_id,
            row_number() OVER (PARTITION BY season_id ORDER BY sort_score, tie_key, player_id) - 1
                AS position,
            sort_score,
            tie_key,
            player_id
        FROM standing
        WHERE season_id = ANY ($1::bigint[])
    ) AS numbered
    WHERE position > 0 AND position % 250 = 0
) AS placed
FULL JOIN (
    SELECT * FROM milestone WHERE season_id = ANY ($1::bigint[])
) AS milestone USING (season_id, position)
WHERE (placed.sort_score, placed.tie_key, placed.player_id)
    IS DISTINCT FROM (milestone.sort_score, milestone.tie_key, milestone.player_id)
ORDER BY season_id, position
LIMIT $2
