-- Has a board count nothing from now on.
--
-- $1 board.
UPDATE board SET archived_at = ledger_now(), version = version + 1 WHERE id = $1
