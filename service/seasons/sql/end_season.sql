-- Ends a season now; answers when that is.
--
-- $1 season. By the ledger's time, and after every session that was folded: a clock that was set back
-- must not put one of those behind the end. No session is dated before it any more.
--
-- Locks: the row of the season, then that of ledger_clock.
WITH instant AS MATERIALIZED (
    SELECT
        greatest(ledger_now(), refresh_state.latest_session_at + interval '1 microsecond') AS ends_at
    FROM refresh_state
),
ended AS (
    UPDATE season SET ends_at = instant.ends_at FROM instant WHERE season.id = $1
),
moved AS (
    UPDATE ledger_clock
    SET closed_until = instant.ends_at
    FROM instant
    WHERE closed_until < instant.ends_at
)
SELECT ends_at FROM instant
