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
    SELECT waiting.player_id, waiting.session_id, waiting.written_at, entry.*
    FROM waiting
    CROSS JOIN LATERAL (
        SELECT score, game_mode, submitted_at
        FROM game_session
        WHERE player_id = waiting.player_id AND id = waiting.session_id
        OFFSET 0
    ) AS entry
),
open_season AS MATERIALIZED (
    SELECT
        board.slug,
        season.starts_at,
        coalesce(season.ends_at, 'infinity') AS ends_at,
        coalesce(season.last_session_id, 9223372036854775807) AS last_session_id,
        coalesce(season.fill_from_player, 9223372036854775807) AS filled_to,
        rule.game_mode AS mode,
        coalesce(rule.min_score, -9007199254740991) AS min_score,
        coalesce(rule.max_score, 9007199254740991) AS max_score
    FROM season
    JOIN rule ON rule.id = season.rule_id
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL
        AND season.sealed_at IS NULL
        AND season.number > 0
        AND (
            board.archived_at IS NULL
            OR season.last_session_id >= (SELECT min(session_id) FROM waiting)
        )
),
-- Two joins, as in the fold: a thousand boards may have a mode each.
matched AS (
    SELECT session.*, open_season.* FROM session JOIN open_season ON mode = game_mode
    UNION ALL
    SELECT session.*, open_season.* FROM session JOIN open_season ON mode IS NULL
)
SELECT
    slug AS board,
    count(*) AS sessions,
    extract(epoch FROM statement_timestamp() - min(written_at))::double precision AS oldest_seconds
FROM matched
WHERE submitted_at >= starts_at
    AND submitted_at < ends_at
    AND session_id <= last_session_id
    AND player_id < filled_to
    AND score BETWEEN min_score AND max_score
GROUP BY slug
ORDER BY slug
