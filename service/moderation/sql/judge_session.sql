-- A session, and what became of it on every board whose season of that time it met.
--
-- $1 session. One row a board, with a null slug where there is none; no row for an unknown session.
--
-- What makes a standing is what is stored of it, as in select_details.sql, whatever the ledger would make
-- by now: a closed season stays as it is, and so does a board in the archive. A session that is revoked,
-- or of a player who is banned, says that first, though it may be what made such a standing. Players who
-- are hidden, and do not stand, are told what would be, as in read_hidden.sql.
--
-- A sum is made by all of its sessions but those of 0 points, none newer than the one that it names. While
-- the standings of a player are to be made again, which these are is not known. What a season missed while
-- its board was in the archive is pending until the one that has it takes its place.
--
-- Index: game_session_id, some pages; standing_pkey; game_session_pkey for the sessions of its player.
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
        WHEN session.id = made.session_id THEN 'improved'
        WHEN session.id > season.last_session_id THEN 'late'
        WHEN season.fill_from_player <= session.player_id
            OR season.sealed_at IS NULL AND EXISTS (
                SELECT FROM pending_session AS pending
                WHERE pending.player_id = session.player_id AND pending.session_id = session.id
            )
            OR made.is_stored AND session.id > season.missed_after AND session.id <= season.missed_until
            OR made.is_open AND made.is_stored AND EXISTS (
                SELECT FROM changed_player WHERE changed_player.player_id = session.player_id
            )
            THEN 'pending'
        WHEN rule.operator = 'sum'
            AND session.score <> 0
            AND session.id < made.session_id
            AND (
                made.is_open
                OR NOT made.is_stored
                OR EXISTS (
                    SELECT FROM stored_sessions(season.id, session.player_id) AS stored
                    WHERE stored.id = session.id
                )
            )
            THEN 'improved'
        ELSE 'kept'
    END AS verdict
FROM game_session AS session
JOIN player ON player.id = session.player_id
LEFT JOIN season
    ON session.submitted_at >= season.starts_at
    AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
    AND season.number > 0
    AND (
        session.id <= season.last_session_id
        OR season.board_id NOT IN (
            SELECT archived.id FROM board AS archived WHERE archived.archived_at <= session.submitted_at
        )
    )
LEFT JOIN board ON board.id = season.board_id
LEFT JOIN rule ON rule.id = season.rule_id
LEFT JOIN LATERAL (
    -- The limit keeps it a probe: a join might read the season in its order.
    SELECT standing.player_id, standing.session_id
    FROM standing
    WHERE standing.season_id = season.id AND standing.player_id = session.player_id
    LIMIT 1
) AS standing ON true
CROSS JOIN LATERAL (
    SELECT
        season.sealed_at IS NULL AND board.archived_at IS NULL AS is_open,
        player.state <> 'hidden' OR standing.player_id IS NOT NULL AS is_stored,
        CASE
            WHEN player.state <> 'hidden' OR standing.player_id IS NOT NULL THEN standing.session_id
            ELSE (
                SELECT expected.session_id
                FROM expected_standing AS expected
                WHERE expected.season_id = season.id AND expected.player_id = player.id
            )
        END AS session_id
    OFFSET 0
) AS made
WHERE session.id = $1
ORDER BY board.slug, season.number
