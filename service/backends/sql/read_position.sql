-- Reads how far a server has written its log or, on a standby, replayed it.
--
-- The epoch tells a standby of our database from any other server. Locks: none.
SELECT
    pg_is_in_recovery() AS is_standby,
    pg_wal_lsn_diff(
        CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
        '0/0'
    )::bigint AS position,
    (SELECT epoch FROM database_state) AS epoch
