-- The number of the last refresh that changed a season.
--
-- $1 season.
SELECT last_refresh FROM season WHERE id = $1
