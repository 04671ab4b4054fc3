-- Finds what is to be done about the index of the outbox.
--
-- PostgreSQL gives none of a B-tree's pages back to the disk, however few entries are left. An index larger
-- than its table is all but empty, since a row takes more than its entry; and that vacuum has cut the table
-- off says that nobody's snapshot needs the old rows any more.
--
-- $1 bytes that it may have in any case, $2 seconds. Answers a row for each index: its name, and whether it is
-- what an earlier call left behind; those first. Answers nothing to a role that does not own the table, and may
-- not build its index; and nothing while a snapshot of this database is older than $2, for which that would
-- wait, as it does for all but those of vacuums. A role that may not see those of others has to try.
--
-- Locks: none.
SELECT indexrelid::regclass::text AS name, leftover.is_leftover
FROM pg_index
JOIN pg_class AS outbox ON outbox.oid = indrelid
JOIN pg_class AS index ON index.oid = indexrelid
-- As REINDEX CONCURRENTLY names the new index, and the old one once it has been replaced.
CROSS JOIN LATERAL (
    SELECT NOT indisvalid AND index.relname ~ '_cc(new|old)[0-9]*$' AS is_leftover
) AS leftover
WHERE indrelid = 'outbox'::regclass
    AND pg_has_role(outbox.relowner, 'USAGE')
    AND (
        is_leftover
        OR indisvalid
        AND pg_relation_size(indexrelid) > greatest($1::bigint, pg_relation_size(indrelid))
    )
    AND NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database()
            AND pid <> pg_backend_pid()
            AND backend_type <> 'autovacuum worker'
            AND backend_xmin IS NOT NULL
            AND xact_start < clock_timestamp() - make_interval(secs => $2)
    )
ORDER BY is_leftover DESC
