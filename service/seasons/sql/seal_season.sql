-- Has no fold change a season any more, once all sessions of before a transaction are folded and
-- no standing is to be made again.
--
-- $1 season, $2 transaction. No row where some of them are still in the outbox, or where the season was
-- sealed already.
--
-- Index: outbox_transaction_id from where folds claim. Locks: the row of the season; the caller holds
-- the lock of the only writer.
UPDATE season
SET
    sealed_at = ledger_now(),
    -- Whoever drew a lower id has committed by now.
    last_session_id = (SELECT last_value FROM game_session_id_seq)
FROM refresh_state
WHERE season.id = $1
    AND season.sealed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM outbox
        WHERE transaction_id >= refresh_state.outbox_from AND transaction_id < $2
    )
    AND NOT EXISTS (SELECT FROM changed_player)
RETURNING season.id AS season_id
