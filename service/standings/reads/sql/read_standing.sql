-- A player's standing and rank without Redis.
--
-- $1 season, $2 player, $3 most standings to count. No row for a player without a standing.
--
-- The rank is counted exactly among the first $3 standings; further down counting would cost too
-- much for a read, and the rank is the one that the last re-rank stored.
--
-- Index: standing_pkey; rank_block_pkey; standing_season_id_order from its start for the count.
SELECT
    player.username,
    standing.score,
    standing.exact_total IS NOT NULL AS saturated,
    CASE WHEN better.counted <= $3 OR standing.rank IS NULL
        THEN better.counted + 1
        ELSE standing.rank
    END AS rank,
    season.players,
    refresh_state.refreshed_at
FROM ranked_standing AS standing
JOIN player ON player.id = standing.player_id
JOIN season ON season.id = standing.season_id
CROSS JOIN refresh_state
CROSS JOIN LATERAL (
    SELECT count(*) AS counted
    FROM (
        SELECT
        FROM standing AS other
        WHERE other.season_id = standing.season_id AND other.sort_score < standing.sort_score
        LIMIT CASE WHEN standing.rank IS NULL THEN NULL ELSE $3 + 1 END
    ) AS counted_standing
) AS better
WHERE standing.season_id = $1 AND standing.player_id = $2
