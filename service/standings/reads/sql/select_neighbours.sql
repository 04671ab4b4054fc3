-- The standings around a player without Redis, best first.
--
-- $1 season, $2 player, $3 radius. No row for a player without a standing.
--
-- Index: standing_pkey; standing_season_id_sort_score_player_id, from the player's place in both
-- directions, which is asked by scalar subqueries: with a join PostgreSQL would walk the season from its
-- start; player_pkey a row, by a scalar subquery, which cannot become a scan.
WITH self AS MATERIALIZED (
    SELECT sort_score, player_id FROM standing WHERE season_id = $1 AND player_id = $2
),
listed AS (
    (
        SELECT player_id, score, sort_score
        FROM standing
        WHERE season_id = $1
            AND (sort_score, player_id) <= (
                (SELECT sort_score FROM self), (SELECT player_id FROM self)
            )
        ORDER BY sort_score DESC, player_id DESC
        LIMIT $3 + 1
    )
    UNION ALL
    (
        SELECT player_id, score, sort_score
        FROM standing
        WHERE season_id = $1
            AND (sort_score, player_id) > (
                (SELECT sort_score FROM self), (SELECT player_id FROM self)
            )
        ORDER BY sort_score, player_id
        LIMIT $3
    )
)
SELECT
    listed.player_id,
    (SELECT player.username FROM player WHERE player.id = listed.player_id) AS username,
    listed.score,
    listed.sort_score
FROM listed
ORDER BY listed.sort_score, listed.player_id
