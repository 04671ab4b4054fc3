-- The id that no transaction has yet: all that were committed until now have lower ones.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction_id
