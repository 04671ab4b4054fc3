-- Ends a season now; answers when that is.
--
-- $1 season. The one that is built to replace it, where there is one, ends with it. By the ledger's time,
-- and after every session that was folded: a clock that was set back must not put one of those behind
-- the end. But never after the end that it has: what is dated behind that is the next season's. No
-- session is dated before it any more.
--
-- Index: season_board_number. Locks: the rows of the season, then that of ledger_clock.
WITH instant AS MATERIALIZED (
    SELECT
        least(
            season.ends_at,
            greatest(ledger_now(), refresh_state.latest_session_at + interval '1 microsecond')
        ) AS ends_at
    FROM season
    CROSS JOIN refresh_state
    WHERE season.id = $1
),
ended AS (
    UPDATE season
    SET ends_at = instant.ends_at
    FROM instant
    CROSS JOIN season AS current
    WHERE current.id = $1
        AND season.board_id = current.board_id
        AND season.number IN (current.number, -current.number)
),
moved AS (
    UPDATE ledger_clock
    SET closed_until = instant.ends_at
    FROM instant
    WHERE closed_until < instant.ends_at
)
SELECT ends_at FROM instant
