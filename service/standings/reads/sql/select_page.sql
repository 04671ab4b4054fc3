-- A run of a season's standings by its place without Redis, with how many are better than its first.
--
-- $1 season, $2 place of the first from 0, $3 how many. No row beyond the last standing.
--
-- Index: standing_season_id_order, from its start past $2 entries, and again for the
-- count, which ends where the run begins; player_pkey a row, by a scalar subquery, which cannot
-- become a scan.
WITH listed AS (
    SELECT player_id, sort_score, exact_total
    FROM standing
    WHERE season_id = $1
    ORDER BY sort_score, player_id
    OFFSET $2
    LIMIT $3
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
    season.players,
    refresh_state.refreshed_at
FROM listed
JOIN season ON season.id = $1
CROSS JOIN refresh_state
ORDER BY listed.sort_score, listed.player_id
