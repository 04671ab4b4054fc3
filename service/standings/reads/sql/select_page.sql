-- A run of a season's standings by its place without Redis.
--
-- $1 season, $2 place of the first from 0, $3 how many. No row beyond the last standing.
--
-- Index: milestone_pkey for the last milestone before the place (store_milestones.sql);
-- standing_season_id_order, from there past some 250 entries at most; player_pkey a row, by a
-- scalar subquery, which cannot become a scan.
WITH start AS MATERIALIZED (
    SELECT position, sort_score, tie_key, player_id
    FROM milestone
    WHERE season_id = $1 AND position <= $2
    ORDER BY position DESC
    LIMIT 1
),
listed AS (
    SELECT *
    FROM standing
    WHERE season_id = $1
        AND (sort_score, tie_key, player_id) >= (
            coalesce((SELECT sort_score FROM start), -9007199254740992),
            coalesce((SELECT tie_key FROM start), 0),
            coalesce((SELECT player_id FROM start), 0)
        )
    ORDER BY sort_score, tie_key, player_id
    OFFSET $2 - coalesce((SELECT position FROM start), 0)
    LIMIT $3
)
SELECT
    player_id,
    (SELECT player.username FROM player WHERE player.id = listed.player_id) AS username,
    sort_score,
    tie_key,
    exact_total IS NOT NULL AS saturated
FROM listed
ORDER BY sort_score, tie_key, player_id
