-- The transactions that hold the lock of ledger_time(), and so may still write sessions.
--
-- One row each: its virtual id, which no other transaction has at the same time, its process, when it
-- began, and for how many seconds it has been under way.
SELECT
    held.virtualtransaction AS transaction,
    held.pid,
    activity.xact_start AS started_at,
    coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start), 0)::float8 AS seconds
FROM pg_locks AS held
LEFT JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory'
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (held.classid::bigint << 32 | held.objid::bigint) = 7810756212687201383
    AND held.objsubid = 1
