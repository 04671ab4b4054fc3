-- Gives some seasons a new number, and their count of players from the standings: each of their indexes
-- will be rebuilt, and no other.
--
-- $1 season ids. Locks: the row of latest_refresh, then those of season_refresh, like a refresh.
WITH numbered AS (
    UPDATE latest_refresh
    SET number = number + 1, refreshed_at = date_trunc('milliseconds', clock_timestamp())
    RETURNING number, (random() * 1e15)::bigint AS token
)
UPDATE season_refresh
SET
    number = numbered.number,
    token = numbered.token,
    players = (SELECT count(*) FROM standing WHERE standing.season_id = season_refresh.season_id)
FROM numbered
WHERE season_refresh.season_id = ANY ($1::bigint[])
