-- The figures of the status page, for one board.
--
-- $1 the board's slug. The outbox is counted up to a million commits: beyond, the exact number
-- does not matter and counting would take long. The highest session id is the last one that was drawn, maybe
-- for a submission that came to nothing: no session has a higher one. Index: board_slug_key,
-- season_board_number, the end of player_pkey, and outbox_transaction_id from outbox_from on.
SELECT
    current_setting('server_version') AS version,
    pg_postmaster_start_time() AS started_at,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    (
        SELECT coalesce(sum(cardinality(session_ids)), 0)
        FROM (
            SELECT session_ids FROM outbox WHERE transaction_id >= outbox_from LIMIT 1000000
        ) AS pending
    )::bigint AS pending_sessions,
    (
        SELECT extract(epoch FROM clock_timestamp() - written_at)::double precision
        FROM outbox
        WHERE transaction_id >= outbox_from
        ORDER BY transaction_id
        LIMIT 1
    ) AS oldest_pending_seconds,
    highest_session_id() AS highest_session_id,
    (SELECT coalesce(max(id), 0) FROM player) AS highest_user_id,
    season.id AS season_id,
    season.players,
    season.last_refresh,
    refresh_state.*
FROM board
JOIN season_with_refresh AS season ON season.board_id = board.id AND season.closed_at IS NULL
CROSS JOIN refresh_state
WHERE board.slug = $1
ORDER BY season.number DESC
LIMIT 1
