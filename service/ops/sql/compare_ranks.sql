-- The standings of a season whose stored rank is not their competition rank (1, 2, 2, 4).
--
-- $1 season, $2 how many to answer; each row also says how many there are in all.
--
-- Index: standing_season_id_sort_score_player_id gives the order.
SELECT player_id, stored_rank, rank, count(*) OVER () AS differences
FROM (
    SELECT player_id, rank AS stored_rank, rank() OVER (ORDER BY sort_score) AS rank
    FROM standing
    WHERE season_id = $1
) AS ranked
WHERE stored_rank IS DISTINCT FROM rank
ORDER BY player_id
LIMIT $2
