-- Takes every session from the outbox and answers how many there were.
--
-- Locks: the rows of the outbox, which only the holder of the writer lock takes.
WITH taken AS (
    DELETE FROM outbox RETURNING session_ids
)
SELECT coalesce(sum(cardinality(session_ids)), 0)::bigint FROM taken
