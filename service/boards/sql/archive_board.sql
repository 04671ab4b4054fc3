-- Has a board count nothing from now on: what is newer is late for its seasons that are not sealed. What is
-- not, folds still count.
--
-- $1 board. Index: season_board_number. Locks: the rows of the board and of its seasons; the caller holds
-- the lock of the only writer.
WITH stopped AS (
    UPDATE season
    SET last_session_id = coalesce(last_session_id, highest_session_id())
    WHERE board_id = $1 AND sealed_at IS NULL
)
UPDATE board SET archived_at = ledger_now(), version = version + 1 WHERE id = $1
