-- Notes how far seasons are filled.
--
-- $1 seasons, $2 how many more stand in each; $3 the player with whom that goes on, null after the last
-- one. The last time it is a refresh, so that index and stored ranks are known not to be there yet.
--
-- Locks: the row of refresh_state, then the rows of the seasons.
WITH numbered AS (
    UPDATE refresh_state
    SET number = number + 1
    WHERE $3::bigint IS NULL
    RETURNING number, (random() * 1e15)::bigint AS token
)
UPDATE season
SET
    fill_from_player = $3,
    players = players + grown.by,
    last_refresh = coalesce((SELECT number FROM numbered), last_refresh),
    refresh_token = coalesce((SELECT token FROM numbered), refresh_token)
FROM unnest($1::bigint[], $2::bigint[]) AS grown (season_id, by)
WHERE season.id = grown.season_id
