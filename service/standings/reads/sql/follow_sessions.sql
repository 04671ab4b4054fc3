-- Whether sessions can count in a season, whether its standings have them by now, and what the season's
-- index must have reached to show them.
--
-- $1 players, $2 sessions, $3 seasons; one array element a question. Answers one row a question, in their
-- order: is_known is false for a session that this player has not.
--
-- Nothing is waited for of a session that is revoked, or of a player who is hidden or banned: what hidden
-- players are shown of themselves has it at once, and that they wait for nothing must not tell them.
--
-- A session is pending while the outbox has it, in a row of its own transaction, whose number is the
-- session's xmin: 32 bits of it, and the rest is that of the newest transactions. It is pending as well
-- while the standings of its player are to be made again: it may have been restored, or the player
-- unbanned; and where the season missed it while its board was in the archive, until the one that has it
-- takes its place. Whoever still asks for the one before reads what that showed.
--
-- Index: game_session_pkey, player_pkey and outbox_transaction_id, a probe a question each; OFFSET 0 keeps
-- the planner from making joins of them. changed_player, nearly always empty, is read once for all: IN, and
-- not EXISTS, is hashed.
SELECT
    session.id IS NOT NULL AS is_known,
    coalesce(season.counts, session.may_count, false) AS counts,
    EXISTS (
        SELECT
        FROM outbox
        WHERE outbox.transaction_id = CASE
                WHEN (newest.transaction_id >> 32 << 32) + session.xid <= newest.transaction_id
                THEN (newest.transaction_id >> 32 << 32) + session.xid
                ELSE ((newest.transaction_id >> 32) - 1 << 32) + session.xid
            END
            AND session.id = ANY (outbox.session_ids)
    )
    OR given.player_id IN (SELECT changed_player.player_id FROM changed_player)
    OR season.id IS NULL
    OR coalesce(season.has_missed, false) AS is_pending,
    database_state.epoch,
    coalesce(season.last_refresh, 0) AS last_refresh
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
    WITH ORDINALITY AS given (player_id, session_id, season_id, line)
CROSS JOIN database_state
CROSS JOIN (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction_id
) AS newest
LEFT JOIN LATERAL (
    SELECT
        id,
        score,
        game_mode,
        submitted_at,
        xmin::text::bigint AS xid,
        revoked_at IS NULL
        AND (SELECT state = 'active' FROM player WHERE player.id = given.player_id) AS may_count
    FROM game_session
    WHERE game_session.player_id = given.player_id AND game_session.id = given.session_id
    OFFSET 0
) AS session ON true
LEFT JOIN LATERAL (
    SELECT
        season.id,
        season.last_refresh,
        session.id > season.missed_after AND session.id <= season.missed_until AS has_missed,
        session.may_count
        AND season.closed_at IS NULL
        AND season.fill_from_player IS NULL
        AND (board.archived_at IS NULL OR session.id <= season.last_session_id)
        AND session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
        AND (rule.game_mode IS NULL OR rule.game_mode = session.game_mode)
        AND (rule.min_score IS NULL OR rule.min_score <= session.score)
        AND (rule.max_score IS NULL OR rule.max_score >= session.score) AS counts
    FROM season_with_refresh AS season
    JOIN rule ON rule.id = season.rule_id
    JOIN board ON board.id = season.board_id
    WHERE season.id = given.season_id
    OFFSET 0
) AS season ON true
ORDER BY given.line
