-- Notes why the last refresh failed or was not published, or that it was.
--
-- $1 the reason, or null. For the operator's eyes only, so it does not wait for the disk.
--
-- Locks: the row of database_state, where it changes.
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE database_state SET refresh_problem = $1
FROM relaxed
WHERE refresh_problem IS DISTINCT FROM $1
