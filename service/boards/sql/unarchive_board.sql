-- Has an archived board count again: nothing is late any more for its seasons that are not sealed. What
-- they have missed is noted; those that are built to replace them have it.
--
-- $1 board. Index: season_board_number. Locks: the rows of the board and of its seasons.
WITH going_on AS (
    UPDATE season
    SET
        missed_after = coalesce(missed_after, last_session_id),
        missed_until = highest_session_id(),
        last_session_id = NULL
    WHERE board_id = $1 AND sealed_at IS NULL
)
UPDATE board SET archived_at = NULL, version = version + 1 WHERE id = $1
