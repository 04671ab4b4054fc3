-- Gives some seasons a new number, and their count of players from the standings: each of their indexes
-- will be rebuilt, and no other.
--
-- $1 season ids. Locks: the row of refresh_state, then the rows of the seasons, like number_refresh.sql.
WITH numbered AS (
    UPDATE refresh_state
    SET number = number + 1, refreshed_at = date_trunc('milliseconds', clock_timestamp())
    RETURNING number, (random() * 1e15)::bigint AS token
)
UPDATE season
SET
    last_refresh = numbered.number,
    refresh_token = numbered.token,
    players = (SELECT count(*) FROM standing WHERE standing.season_id = season.id)
FROM numbered
WHERE season.id = ANY ($1::bigint[])
