-- Has a board count nothing from now on: what is newer is late for its seasons that are not sealed. What is
-- not, folds still count.
--
-- $1 board. Answers it, or nothing while standings are to be made again for what moderators did.
-- Index: season_board_number. Locks: the rows of the board and of its seasons; the caller holds the lock of
-- the only writer.
WITH archived AS (
    UPDATE board
    SET archived_at = ledger_now(), version = version + 1
    WHERE id = $1 AND NOT EXISTS (SELECT FROM changed_player)
    RETURNING id
),
stopped AS (
    UPDATE season
    SET last_session_id = highest_session_id()
    FROM archived
    WHERE board_id = archived.id AND sealed_at IS NULL
)
SELECT id FROM archived
