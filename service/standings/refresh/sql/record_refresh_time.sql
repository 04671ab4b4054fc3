-- Notes how long the last refresh took, publishing included, and why it was not published.
--
-- $1 milliseconds, $2 the reason, null where it was. For the operator's eyes only, so it does not wait
-- for the disk.
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE database_state SET refresh_ms = $1, refresh_problem = $2 FROM relaxed
