-- The session that would make a hidden player's standing, as select_details.sql says of one who stands.
--
-- $1 season, $2 player. No row for anybody else, nor without a session that counts.
--
-- Index: player_not_standing; game_session_pkey for this player's sessions alone.
SELECT
    player.id AS player_id,
    made.session_id,
    made.reached_at,
    (
        SELECT game_session.metadata
        FROM game_session
        WHERE game_session.player_id = player.id AND game_session.id = made.session_id
    ) AS metadata
FROM player
CROSS JOIN season
JOIN rule ON rule.id = season.rule_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS sessions,
        CASE rule.operator
            WHEN 'sum' THEN max(id) FILTER (WHERE score <> 0)
            WHEN 'best' THEN (array_agg(id ORDER BY sort_score, id))[1]
            WHEN 'latest' THEN (array_agg(id ORDER BY submitted_at DESC, id DESC))[1]
        END AS session_id,
        CASE rule.operator
            WHEN 'sum'
            THEN coalesce(
                (array_agg(submitted_at ORDER BY id DESC) FILTER (WHERE score <> 0))[1],
                max(submitted_at)
            )
            WHEN 'best' THEN (array_agg(submitted_at ORDER BY sort_score, id))[1]
            WHEN 'latest' THEN max(submitted_at)
        END AS reached_at
    FROM counted_session
    WHERE counted_session.season_id = season.id
        AND counted_session.player_id = player.id
        AND (
            season.id IN (SELECT id FROM counting_season)
            OR player.state = 'hidden'
            AND season.closed_at IS NOT NULL
            AND counted_session.id <= season.last_session_id
        )
) AS made
WHERE season.id = $1 AND player.id = $2 AND player.state = 'hidden' AND made.sessions > 0
