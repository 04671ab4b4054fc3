-- Has a board count nothing from now on: what is newer is late for its seasons that are not sealed.
--
-- $1 board. Index: season_board_number. Locks: the rows of the board and of its seasons.
WITH stopped AS (
    UPDATE season
    SET last_session_id = (SELECT last_value FROM game_session_id_seq)
    WHERE board_id = $1 AND sealed_at IS NULL
)
UPDATE board SET archived_at = ledger_now(), version = version + 1 WHERE id = $1
