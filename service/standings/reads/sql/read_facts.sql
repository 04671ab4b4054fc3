-- How many stand in a season, and of when that is.
--
-- $1 season.
SELECT season.players, coalesce(season.closed_at, refresh_state.refreshed_at) AS refreshed_at
FROM season
CROSS JOIN refresh_state
WHERE season.id = $1
