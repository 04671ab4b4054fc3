-- Seasons of a board that have begun, newest first.
--
-- $1 board, $2 only that of this number, where it is not null; $3 those before this number; $4 how many.
--
-- Index: season_board_number backwards.
SELECT
    number,
    nullif(starts_at, '-infinity') AS starts_at,
    ends_at,
    closed_at,
    players,
    revision,
    ends_at <= coalesce(archived_at, ledger_now()) AS is_over
FROM season_with_refresh
JOIN board ON board.id = board_id
WHERE board_id = $1
    AND number > 0
    AND starts_at <= coalesce(archived_at, ledger_now())
    AND ($2::integer IS NULL OR number = $2)
    AND number < $3
ORDER BY number DESC
LIMIT $4
