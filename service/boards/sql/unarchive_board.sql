-- Has an archived board count again: nothing is late any more for its seasons that are not sealed.
--
-- $1 board. Index: season_board_number. Locks: the rows of the board and of its seasons.
WITH going_on AS (
    UPDATE season SET last_session_id = NULL WHERE board_id = $1 AND sealed_at IS NULL
)
UPDATE board SET archived_at = NULL, version = version + 1 WHERE id = $1
