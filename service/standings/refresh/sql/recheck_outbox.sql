-- Has the next fold look at the whole outbox where sessions were left behind the place from which folds
-- claim. None ever should be: this is for a database that was restored or replicated from another one,
-- whose transactions have other ids.
--
-- Locks: the row of latest_refresh, where there are any.
UPDATE latest_refresh
SET outbox_from = 0
WHERE EXISTS (SELECT FROM outbox WHERE transaction_id < outbox_from)
RETURNING number
