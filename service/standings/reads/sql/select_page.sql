-- A run of a season's standings by its place without Redis, and the place of its first one, as
-- find_place.sql finds it.
--
-- $1 season, $2 place of the first from 0, $3 how many. One row; its lists are empty beyond the last
-- standing.
--
-- Index: milestone_pkey for the last milestone before the place (store_milestones.sql);
-- standing_season_id_order alone, from there past some 250 entries at most: only a total at the limit of
-- scores can lie beyond it, so no other standing is read itself; player_pkey a row, by a scalar subquery,
-- which cannot become a scan; milestone_season_id_order.
--
-- A limit that is a subquery costs the same in any plan, so that one is kept.
WITH start AS MATERIALIZED (
    SELECT position, sort_score, tie_key, player_id
    FROM milestone
    WHERE season_id = $1 AND position <= $2
    ORDER BY position DESC
    LIMIT 1
),
run AS MATERIALIZED (
    SELECT
        coalesce(array_agg(player_id), '{}') AS user_ids,
        coalesce(array_agg(
            (SELECT player.username FROM player WHERE player.id = listed.player_id)
        ), '{}') AS usernames,
        coalesce(array_agg(sort_score), '{}') AS sort_scores,
        coalesce(array_agg(tie_key), '{}') AS tie_keys,
        coalesce(array_agg(player_id) FILTER (
            WHERE abs(sort_score) = 9007199254740991 AND (
                SELECT standing.exact_total IS NOT NULL
                FROM standing
                WHERE standing.season_id = $1 AND standing.player_id = listed.player_id
            )
        ), '{}') AS saturated
    FROM (
        SELECT sort_score, tie_key, player_id
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id) >= (
                coalesce((SELECT sort_score FROM start), -9007199254740992),
                coalesce((SELECT tie_key FROM start), 0),
                coalesce((SELECT player_id FROM start), 0)
            )
        ORDER BY sort_score, tie_key, player_id
        OFFSET $2 - coalesce((SELECT position FROM start), 0)
        LIMIT (SELECT $3::bigint)
    ) AS listed
),
first AS (
    SELECT sort_scores[1] AS sort_score, tie_keys[1] AS tie_key, user_ids[1] AS player_id FROM run
),
place AS (
    SELECT
        given.is_first,
        CASE
            WHEN milestone.position IS NOT DISTINCT FROM (SELECT position FROM start) THEN
                -- The run was counted to from there; who is level with its first is not better.
                $2 - (
                    SELECT count(*)
                    FROM standing
                    WHERE season_id = $1
                        AND (sort_score, tie_key, player_id)
                            >= (first.sort_score, first.tie_key, given.player_id)
                        AND (sort_score, tie_key, player_id)
                            < (first.sort_score, first.tie_key, first.player_id)
                )
            ELSE
                coalesce(milestone.position, 0) + (
                    SELECT count(*)
                    FROM standing
                    WHERE season_id = $1
                        AND (sort_score, tie_key, player_id) >= (
                            coalesce(milestone.sort_score, -9007199254740992),
                            coalesce(milestone.tie_key, 0),
                            coalesce(milestone.player_id, 0)
                        )
                        AND (sort_score, tie_key, player_id)
                            < (first.sort_score, first.tie_key, given.player_id)
                )
        END AS position
    FROM first
    CROSS JOIN LATERAL (
        -- Nobody has the player 0: before it are those who are better.
        VALUES (false, 0), (true, first.player_id)
    ) AS given (is_first, player_id)
    LEFT JOIN LATERAL (
        SELECT position, sort_score, tie_key, player_id
        FROM milestone
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id)
                <= (first.sort_score, first.tie_key, given.player_id)
        ORDER BY sort_score DESC, tie_key DESC, player_id DESC
        LIMIT 1
    ) AS milestone ON true
)
SELECT
    run.*,
    (SELECT position FROM place WHERE NOT is_first) AS better,
    (SELECT position FROM place WHERE is_first) AS position,
    season.players,
    coalesce(season.closed_at, refresh_state.refreshed_at) AS refreshed_at,
    refresh_state.epoch
FROM run
CROSS JOIN season_with_refresh AS season
CROSS JOIN refresh_state
WHERE season.id = $1
