-- How many sessions are in the outbox.
SELECT coalesce(sum(cardinality(session_ids)), 0)::bigint AS sessions FROM outbox
