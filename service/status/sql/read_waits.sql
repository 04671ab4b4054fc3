-- What PostgreSQL waits for at this moment: one row, its lists as JSON. No text of a statement.
--
-- $1 how many of a list at most. `events`: processes that are at work, by what they wait for; nothing
-- to wait for is CPU. Of the server's own those that sleep until there is work, or by plan, are left
-- out. `longest`: the statement that has run longest. `locks`: who waits for a lock, and for whom,
-- longest first. `hidden`: connections of other roles, of which nothing is told unless ours has
-- pg_read_all_stats. No index: views of the server's memory. Locks: none; pg_blocking_pids() holds up
-- the lock table for a moment, for each that waits.
WITH activity AS MATERIALIZED (
    SELECT
        pid,
        backend_type = 'client backend' AS is_client,
        CASE
            WHEN backend_type <> 'client backend' THEN backend_type
            ELSE coalesce(nullif(application_name, ''), 'a client without a name')
        END AS process,
        state,
        coalesce(wait_event_type, 'CPU') AS type,
        coalesce(wait_event, 'running') AS event,
        round(extract(epoch FROM clock_timestamp() - query_start), 1) AS statement_seconds,
        round(extract(epoch FROM clock_timestamp() - coalesce(xact_start, query_start)), 1)
            AS seconds,
        CASE
            WHEN backend_type = 'client backend' THEN state IN ('active', 'fastpath function call')
            ELSE wait_event_type NOT IN ('Activity', 'Timeout', 'Client')
        END AS is_busy
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
),
waiting AS MATERIALIZED (
    SELECT
        pid,
        CASE
            WHEN locktype = 'relation' THEN 'table ' || relation::regclass::text
            WHEN locktype = 'transactionid' THEN 'a row that a transaction has changed'
            ELSE locktype
        END AS lock,
        round(extract(epoch FROM clock_timestamp() - coalesce(waitstart, clock_timestamp())), 1)
            AS seconds,
        pg_blocking_pids(pid) AS holders
    FROM pg_locks
    WHERE NOT granted AND (database IS NULL OR database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    ))
    ORDER BY waitstart
    LIMIT $1
)
SELECT
    (
        SELECT coalesce(json_agg(one), '[]')
        FROM (
            SELECT process, type, event, count(*) AS processes
            FROM activity
            WHERE is_busy
            GROUP BY process, type, event
            ORDER BY processes DESC, process
            LIMIT $1
        ) AS one
    )::text AS events,
    (
        SELECT row_to_json(one)
        FROM (
            SELECT pid, process, type, event, statement_seconds AS seconds
            FROM activity
            WHERE is_busy AND is_client
            ORDER BY statement_seconds DESC
            LIMIT 1
        ) AS one
    )::text AS longest,
    (
        SELECT coalesce(json_agg(one ORDER BY one.seconds DESC), '[]')
        FROM (
            SELECT
                waiting.pid,
                coalesce(activity.process, 'unknown') AS process,
                waiting.lock,
                waiting.seconds,
                (
                    SELECT coalesce(json_agg(holder), '[]')
                    FROM (
                        SELECT pid, process, coalesce(state, 'unknown') AS state, seconds
                        FROM activity
                        WHERE pid = ANY (waiting.holders)
                        LIMIT $1
                    ) AS holder
                ) AS held_by
            FROM waiting
            LEFT JOIN activity ON activity.pid = waiting.pid
        ) AS one
    )::text AS locks,
    (SELECT count(*) FROM activity WHERE is_client AND state IS NULL) AS hidden
