-- Has no session be dated before this time any more, whatever the clock shows.
--
-- $1 the time. Whoever may still write one of before holds the lock of ledger_time() from now on.
-- Locks: the row of ledger_clock.
UPDATE ledger_clock SET closed_until = $1 WHERE closed_until < $1
