-- The place of a standing, or of a score, in a season: how many have a better score, and how many come
-- before it in the order of the season.
--
-- $1 season, $2 sort_score, $3 player, 0 where only the score matters.
--
-- Both are counted from the last milestone before (store_milestones.sql), so they are right as of the last
-- re-rank, but for what moved past that milestone since. Before the first one, and in a season that
-- has none, they are exact.
--
-- Index: milestone_season_id_sort_score_player_id, one entry each; then about a thousand entries of
-- standing_season_id_sort_score_player_id.
SELECT
    coalesce(below.position, 0) + (
        SELECT count(*)
        FROM standing
        WHERE season_id = $1
            AND (sort_score, player_id) >= (
                coalesce(below.sort_score, -9007199254740992), coalesce(below.player_id, 0)
            )
            AND sort_score < $2
    ) AS better,
    coalesce(before.position, 0) + (
        SELECT count(*)
        FROM standing
        WHERE season_id = $1
            AND (sort_score, player_id) >= (
                coalesce(before.sort_score, -9007199254740992), coalesce(before.player_id, 0)
            )
            AND (sort_score, player_id) < ($2, $3)
    ) AS position,
    season.players,
    refresh_state.refreshed_at
FROM season
CROSS JOIN refresh_state
LEFT JOIN LATERAL (
    SELECT position, sort_score, player_id
    FROM milestone
    WHERE season_id = $1 AND sort_score < $2
    ORDER BY sort_score DESC, player_id DESC
    LIMIT 1
) AS below ON true
LEFT JOIN LATERAL (
    SELECT position, sort_score, player_id
    FROM milestone
    WHERE season_id = $1 AND (sort_score, player_id) <= ($2, $3)
    ORDER BY sort_score DESC, player_id DESC
    LIMIT 1
) AS before ON true
WHERE season.id = $1
