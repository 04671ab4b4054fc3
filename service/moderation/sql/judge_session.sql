-- A session, and what became of it on every board whose season of that time it met.
--
-- $1 session. One row a board, with a null slug where there is none; no row for an unknown session.
-- Players who are hidden are told what would be, as if they stood.
--
-- Index: game_session_id, some pages; game_session_pkey for the sessions of its player.
SELECT
    session.id AS session_id,
    session.player_id,
    session.score,
    session.game_mode,
    session.submitted_at,
    session.metadata,
    board.slug,
    season.number,
    CASE
        WHEN session.revoked_at IS NOT NULL THEN 'revoked'
        WHEN player.state = 'banned' THEN 'banned'
        WHEN rule.game_mode <> session.game_mode THEN 'other_mode'
        WHEN session.score NOT BETWEEN coalesce(rule.min_score, session.score)
            AND coalesce(rule.max_score, session.score) THEN 'out_of_bounds'
        WHEN session.id > season.last_session_id THEN 'late'
        WHEN season.fill_from_player <= session.player_id
            OR season.sealed_at IS NULL AND EXISTS (
                SELECT FROM pending_session AS pending
                WHERE pending.player_id = session.player_id AND pending.session_id = session.id
            )
            THEN 'pending'
        WHEN rule.operator = 'sum' AND session.score <> 0 OR session.id = (
            SELECT counted.id
            FROM counted_session AS counted
            WHERE counted.season_id = season.id
                AND counted.player_id = session.player_id
                AND counted.id <= coalesce(season.last_session_id, counted.id)
                AND NOT EXISTS (
                    SELECT FROM pending_session AS pending
                    WHERE pending.player_id = counted.player_id
                        AND pending.session_id = counted.id
                        AND season.sealed_at IS NULL
                )
            ORDER BY counted.pick_key, counted.pick_id
            LIMIT 1
        ) THEN 'improved'
        ELSE 'kept'
    END AS verdict
FROM game_session AS session
JOIN player ON player.id = session.player_id
LEFT JOIN season
    ON session.submitted_at >= season.starts_at
    AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
    AND season.number > 0
    AND season.board_id NOT IN (
        SELECT archived.id FROM board AS archived WHERE archived.archived_at <= session.submitted_at
    )
LEFT JOIN board ON board.id = season.board_id
LEFT JOIN rule ON rule.id = season.rule_id
WHERE session.id = $1
ORDER BY board.slug, season.number
