-- Looks which transactions are left that may not know yet of players that they were deleted.
--
-- Answers those players, and of which none is left, so that what is erased from now on is all.
--
-- A transaction that sees a player as he was began before the deletion was committed. So those that are
-- under way when the deletion is first seen here are noted, by their virtual ids, which no other
-- transaction has until the server starts again; whoever comes later knows. That includes who writes no
-- session, such as a dump: then a player stays here for longer.
--
-- Locks: the rows of forgotten_player.
WITH running AS MATERIALIZED (
    SELECT coalesce(array_agg(virtualtransaction), '{}') AS transactions
    FROM pg_locks
    WHERE locktype = 'virtualxid' AND virtualtransaction = virtualxid AND pid <> pg_backend_pid()
)
UPDATE forgotten_player
SET transactions = ARRAY(
    SELECT noted.transaction
    FROM unnest(coalesce(forgotten_player.transactions, running.transactions)) AS noted (transaction)
    WHERE noted.transaction = ANY (running.transactions)
)
FROM running
RETURNING player_id, cardinality(forgotten_player.transactions) = 0 AS is_complete
