-- Notes how long the last refresh took, publishing included.
--
-- $1 milliseconds. For the operator's eyes only, so it does not wait for the disk.
--
-- Index: the newest entry of latest_refresh_pkey. Locks: that entry.
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE latest_refresh
SET refresh_ms = $1
FROM relaxed
WHERE number >= (SELECT number FROM latest_refresh ORDER BY number DESC LIMIT 1)
