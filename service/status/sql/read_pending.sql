-- What waits in the outbox, for each board on which it will count: how many sessions, and how long the
-- oldest has waited.
--
-- $1 how many sessions to look at: the oldest, as the folds claim them. Answers one row a board; a session that
-- counts on several is in each. Whether a session is revoked, or its player is hidden, is not looked at.
--
-- Index: outbox_transaction_id from outbox_from on, season_open, and game_session_pkey once a session.
WITH waiting AS MATERIALIZED (
    SELECT pending.player_id, pending.session_id, next.written_at
    FROM (
        SELECT outbox.*
        FROM outbox
        WHERE transaction_id >= (SELECT outbox_from FROM refresh_state)
        ORDER BY transaction_id
        LIMIT $1
    ) AS next
    CROSS JOIN LATERAL unnest(player_ids, session_ids) AS pending (player_id, session_id)
    LIMIT $1
),
-- OFFSET 0 keeps the planner from a join that reads the whole ledger.
session AS MATERIALIZED (
    SELECT waiting.player_id, waiting.written_at, entry.*
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT score, game_mode, submitted_at
        FROM game_session
        WHERE player_id = waiting.player_id AND id = waiting.session_id
        OFFSET 0
    ) AS entry
)
SELECT
    board.slug AS board,
    count(*) AS sessions,
    extract(epoch FROM statement_timestamp() - min(session.written_at))::double precision AS oldest_seconds
FROM session
JOIN rule ON rule.game_mode IS NULL OR rule.game_mode = session.game_mode
JOIN season ON season.rule_id = rule.id
JOIN board ON board.id = season.board_id
WHERE season.closed_at IS NULL
    AND season.sealed_at IS NULL
    AND season.number > 0
    AND board.archived_at IS NULL
    AND session.submitted_at >= season.starts_at
    AND session.submitted_at < coalesce(season.ends_at, 'infinity')
    AND session.player_id < coalesce(season.fill_from_player, 9223372036854775807)
    AND session.score BETWEEN coalesce(rule.min_score, -9007199254740991)
        AND coalesce(rule.max_score, 9007199254740991)
GROUP BY board.slug
ORDER BY board.slug
