-- Has an archived board count again.
--
-- $1 board.
UPDATE board SET archived_at = NULL, version = version + 1 WHERE id = $1
