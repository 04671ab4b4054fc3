-- The players of some seasons whose stored rank is not the competition rank (1, 2, 2, 4) of their standing.
--
-- $1 seasons, $2 how many to answer; each row also says how many there are in all.
--
-- All blocks are unpacked at once, which for a whole season is cheaper than a look for each player.
-- Index: standing_season_id_order gives the order.
SELECT
    season_id,
    player_id,
    stored.rank AS stored_rank,
    ranked.rank,
    count(*) OVER () AS differences
FROM (
    SELECT
        season_id,
        player_id,
        rank() OVER (PARTITION BY season_id ORDER BY sort_score, tie_key) AS rank
    FROM standing
    WHERE season_id = ANY ($1::bigint[])
) AS ranked
FULL JOIN (
    SELECT season_id, (block << 8) + place AS player_id, rank
    FROM rank_block
    CROSS JOIN unnest(players, ranks) AS packed (place, rank)
    WHERE season_id = ANY ($1::bigint[])
) AS stored USING (season_id, player_id)
WHERE stored.rank IS DISTINCT FROM ranked.rank
ORDER BY season_id, player_id
LIMIT $2
