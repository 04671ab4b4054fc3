-- Notes how far a season is filled.
--
-- $1 season, $2 the player with whom that goes on, null after the last one; $3 how many more stand. The
-- last time it is a refresh, so that index and stored ranks are known not to be there yet.
--
-- Locks: the row of refresh_state, then the row of the season.
WITH numbered AS (
    UPDATE refresh_state
    SET number = number + 1
    WHERE $2::bigint IS NULL
    RETURNING number, (random() * 1e15)::bigint AS token
)
UPDATE season
SET
    fill_from_player = $2,
    players = players + $3,
    last_refresh = coalesce((SELECT number FROM numbered), last_refresh),
    refresh_token = coalesce((SELECT token FROM numbered), refresh_token)
WHERE id = $1
