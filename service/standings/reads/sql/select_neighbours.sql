-- The standings around a player without Redis, best first, with the rank of the first one.
--
-- $1 season, $2 player, $3 radius. No row for a player without a standing.
--
-- Index: standing_season_id_order, from the player's place in both directions, and
-- from its start for the count; player_pkey a row, by a scalar subquery, which cannot become a scan.
WITH self AS (
    SELECT sort_score, player_id FROM standing WHERE season_id = $1 AND player_id = $2
),
listed AS (
    (
        SELECT standing.player_id, standing.sort_score, standing.exact_total
        FROM self
        JOIN standing
            ON standing.season_id = $1
            AND (standing.sort_score, standing.player_id) <= (self.sort_score, self.player_id)
        ORDER BY standing.sort_score DESC, standing.player_id DESC
        LIMIT $3 + 1
    )
    UNION ALL
    (
        SELECT standing.player_id, standing.sort_score, standing.exact_total
        FROM self
        JOIN standing
            ON standing.season_id = $1
            AND (standing.sort_score, standing.player_id) > (self.sort_score, self.player_id)
        ORDER BY standing.sort_score, standing.player_id
        LIMIT $3
    )
)
SELECT
    listed.player_id,
    (SELECT player.username FROM player WHERE player.id = listed.player_id) AS username,
    listed.sort_score,
    listed.exact_total IS NOT NULL AS saturated,
    (
        SELECT count(*) FROM standing
        WHERE season_id = $1 AND sort_score < (SELECT min(sort_score) FROM listed)
    ) AS better_than_first,
    (
        SELECT count(*) FROM standing
        WHERE season_id = $1
            AND (sort_score, player_id) < (
                SELECT first.sort_score, first.player_id
                FROM listed AS first
                ORDER BY first.sort_score, first.player_id
                LIMIT 1
            )
    ) AS position_of_first,
    season.players,
    refresh_state.refreshed_at
FROM listed
JOIN season ON season.id = $1
CROSS JOIN refresh_state
ORDER BY listed.sort_score, listed.player_id
