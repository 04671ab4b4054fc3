-- Finds what is to be done about the index of the outbox, where it is larger than $1 bytes.
--
-- PostgreSQL gives none of a B-tree's pages back to the disk, however few entries are left. An index larger
-- than its table is all but empty, since a row takes more than its entry; and that vacuum has cut the table
-- off says that nobody's snapshot needs the rows any more, for which building the index anew would wait.
--
-- Answers one row an index: its name and whether it is unfinished, as one is whose building was broken off;
-- those first. Of a role that does not own the table, and may not build its index, nothing.
SELECT indexrelid::regclass::text AS name, NOT indisvalid AS is_unfinished
FROM pg_index
JOIN pg_class AS outbox ON outbox.oid = indrelid
WHERE indrelid = 'outbox'::regclass
    AND pg_has_role(relowner, 'USAGE')
    AND (
        NOT indisvalid
        OR pg_relation_size(indexrelid) > greatest($1::bigint, pg_relation_size(indrelid))
    )
ORDER BY indisvalid
