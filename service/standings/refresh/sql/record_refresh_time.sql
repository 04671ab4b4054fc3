-- Notes how long the last refresh took, publishing included.
--
-- $1 milliseconds. For the operator's eyes only, so it does not wait for the disk.
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE refresh_state SET refresh_ms = $1 FROM relaxed
