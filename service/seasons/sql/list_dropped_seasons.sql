-- Seasons whose standings and index are still to be deleted, once nobody reads them by what is remembered
-- of a board.
SELECT season_id
FROM dropped_season
WHERE dropped_at < clock_timestamp() - interval '10 seconds'
ORDER BY season_id
