-- The number of the last refresh that changed a season.
--
-- $1 season.
SELECT number FROM season_refresh WHERE season_id = $1 ORDER BY number DESC LIMIT 1
