-- How many stand in a season, of when that is, and the database's epoch.
--
-- $1 season.
SELECT
    season.players,
    coalesce(season.closed_at, refresh_state.refreshed_at) AS refreshed_at,
    refresh_state.epoch
FROM season_with_refresh AS season
CROSS JOIN refresh_state
WHERE season.id = $1
