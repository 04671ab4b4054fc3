-- The open seasons, and the number that the index of each must have reached.
SELECT season.id AS season_id, season.players, season.last_refresh, refresh_state.*
FROM season
CROSS JOIN refresh_state
WHERE season.closed_at IS NULL
ORDER BY season.id
