-- Looks which transactions are left that may not know yet of players that they were deleted.
--
-- Answers the players of whom some have ended since the last look, or none is left, so that there may be
-- something to erase: and of which none is left, so that what is erased from now on is all.
--
-- A transaction that sees a player as he was began before the deletion was committed. So those that are
-- under way when the deletion is first seen here are noted, by their virtual ids, which no other
-- transaction has until the server starts again; whoever comes later knows. That includes who writes no
-- session, such as a dump of this database: then a player stays here for longer.
--
-- Locks: the rows of forgotten_player.
WITH running AS MATERIALIZED (
    SELECT coalesce(array_agg(virtualtransaction), '{}') AS transactions
    FROM pg_locks
    JOIN pg_stat_activity AS activity USING (pid)
    WHERE locktype = 'virtualxid'
        AND virtualtransaction = virtualxid
        AND pid <> pg_backend_pid()
        AND datname = current_database()
),
still_running AS (
    SELECT
        player_id,
        ARRAY(
            SELECT noted.transaction
            FROM unnest(coalesce(forgotten_player.transactions, running.transactions))
                AS noted (transaction)
            WHERE noted.transaction = ANY (running.transactions)
        ) AS transactions
    FROM forgotten_player
    CROSS JOIN running
)
UPDATE forgotten_player AS forgotten
SET transactions = still_running.transactions
FROM still_running
WHERE forgotten.player_id = still_running.player_id
    AND (
        forgotten.transactions IS DISTINCT FROM still_running.transactions
        OR still_running.transactions = '{}'
    )
RETURNING forgotten.player_id, forgotten.transactions = '{}' AS is_complete
