-- The place of a standing, or of a score, in a season: how many are better, and how many come before it
-- in the order of the season.
--
-- $1 season; $2 to $4 sort_score, tie_key and player. Nobody has the player 0: with it the place is that
-- before all who have this score and tie_key.
--
-- Both are counted from the last milestone before (store_milestones.sql), so they are right as of the last
-- re-rank, but for what moved past that milestone since. Before the first one, and in a season that
-- has none, they are exact, and so they are in a season that is closed.
--
-- Index: milestone_season_id_order, one entry each; then some 250 entries of
-- standing_season_id_order.
SELECT
    coalesce(below.position, 0) + (
        SELECT count(*)
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id) >= (
                coalesce(below.sort_score, -9007199254740992),
                coalesce(below.tie_key, 0),
                coalesce(below.player_id, 0)
            )
            AND (sort_score, tie_key) < ($2, $3)
    ) AS better,
    coalesce(before.position, 0) + (
        SELECT count(*)
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id) >= (
                coalesce(before.sort_score, -9007199254740992),
                coalesce(before.tie_key, 0),
                coalesce(before.player_id, 0)
            )
            AND (sort_score, tie_key, player_id) < ($2, $3, $4)
    ) AS position,
    season.players,
    coalesce(season.closed_at, refresh_state.refreshed_at) AS refreshed_at,
    refresh_state.epoch
FROM season_with_refresh AS season
CROSS JOIN refresh_state
LEFT JOIN LATERAL (
    SELECT position, sort_score, tie_key, player_id
    FROM milestone
    WHERE season_id = $1 AND (sort_score, tie_key) < ($2, $3)
    ORDER BY sort_score DESC, tie_key DESC, player_id DESC
    LIMIT 1
) AS below ON true
LEFT JOIN LATERAL (
    SELECT position, sort_score, tie_key, player_id
    FROM milestone
    WHERE season_id = $1 AND (sort_score, tie_key, player_id) <= ($2, $3, $4)
    ORDER BY sort_score DESC, tie_key DESC, player_id DESC
    LIMIT 1
) AS before ON true
WHERE season.id = $1
