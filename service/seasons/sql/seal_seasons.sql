-- Has no fold change some seasons any more, once all sessions of before a transaction are folded and
-- no standing is to be made again.
--
-- $1 seasons, $2 transaction. Answers those that were sealed: all but those that were before, or none
-- where some of those sessions are still in the outbox.
--
-- Index: outbox_transaction_id from where folds claim. Locks: the rows of the seasons; the caller holds
-- the lock of the only writer.
UPDATE season
SET sealed_at = ledger_now()
WHERE season.id = ANY ($1::bigint[])
    AND season.sealed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM outbox
        WHERE transaction_id >= (SELECT outbox_from FROM refresh_state) AND transaction_id < $2
    )
    AND NOT EXISTS (SELECT FROM changed_player)
RETURNING season.id AS season_id
