-- The standings around a player without Redis, best first.
--
-- $1 season, $2 player, $3 radius. No row for a player without a standing.
--
-- Index: standing_pkey; standing_season_id_order, from the player's place in both directions, which is
-- asked by a scalar subquery: with a join PostgreSQL would walk the season from its start; player_pkey a
-- row, by a scalar subquery, which cannot become a scan.
--
-- A limit that is a subquery costs the same in any plan, so that one is kept.
WITH self AS MATERIALIZED (
    SELECT sort_score, tie_key FROM standing WHERE season_id = $1 AND player_id = $2
),
listed AS (
    (
        SELECT *
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id) <= (
                (SELECT sort_score FROM self), (SELECT tie_key FROM self), $2
            )
        ORDER BY sort_score DESC, tie_key DESC, player_id DESC
        LIMIT (SELECT $3::bigint) + 1
    )
    UNION ALL
    (
        SELECT *
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id) > (
                (SELECT sort_score FROM self), (SELECT tie_key FROM self), $2
            )
        ORDER BY sort_score, tie_key, player_id
        LIMIT (SELECT $3::bigint)
    )
)
SELECT
    player_id,
    (SELECT player.username FROM player WHERE player.id = listed.player_id) AS username,
    sort_score,
    tie_key,
    exact_total IS NOT NULL AS saturated
FROM listed
ORDER BY sort_score, tie_key, player_id
