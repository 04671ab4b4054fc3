-- Tells whether anything waits in the outbox that fold_sessions.sql would claim. To prepare that takes
-- many times as long, and each refresh ends with a look at an outbox in which there is nothing. What a
-- killed fold has claimed waits until the end of its transaction has come through.
--
-- No parameters. Index: outbox_transaction_id, from outbox_from on, whatever is dead before it; without
-- the order all of the outbox would be looked through. A place in the future is of another cluster, whose
-- dump was restored. Locks: none.
SELECT count(*) > 0
FROM (
    SELECT FROM outbox
    WHERE transaction_id >= (
        SELECT
            CASE
                WHEN outbox_from <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                THEN outbox_from
                ELSE 0
            END
        FROM refresh_state
    )
    ORDER BY transaction_id
    LIMIT 1
) AS next
