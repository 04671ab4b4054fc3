-- The players of a season whose stored rank is not the competition rank (1, 2, 2, 4) of their standing.
--
-- $1 season, $2 how many to answer; each row also says how many there are in all.
--
-- All blocks are unpacked at once, which for a whole season is cheaper than a look for each player.
-- Index: standing_season_id_order gives the order.
SELECT player_id, stored.rank AS stored_rank, ranked.rank, count(*) OVER () AS differences
FROM (
    SELECT player_id, rank() OVER (ORDER BY sort_score, tie_key) AS rank
    FROM standing
    WHERE season_id = $1
) AS ranked
FULL JOIN (
    SELECT (block << 8) + place AS player_id, rank
    FROM rank_block
    CROSS JOIN unnest(players, ranks) AS packed (place, rank)
    WHERE season_id = $1
) AS stored USING (player_id)
WHERE stored.rank IS DISTINCT FROM ranked.rank
ORDER BY player_id
LIMIT $2
