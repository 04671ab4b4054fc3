-- Notes how far seasons are filled.
--
-- $1 seasons, $2 how many more stand in each; $3 the player with whom that goes on, null after the last
-- one. The last time it is a refresh, so that index and stored ranks are known not to be there yet.
--
-- Locks: the rows of the seasons, that of latest_refresh, and those of season_refresh.
WITH numbered AS (
    UPDATE latest_refresh
    SET number = number + 1
    WHERE $3::bigint IS NULL
    RETURNING number, (random() * 1e15)::bigint AS token
),
grown AS (
    UPDATE season_refresh
    SET
        players = players + more.by,
        number = coalesce((SELECT number FROM numbered), number),
        token = coalesce((SELECT token FROM numbered), token)
    FROM unnest($1::bigint[], $2::bigint[]) AS more (season_id, by)
    WHERE season_refresh.season_id = more.season_id
)
UPDATE season SET fill_from_player = $3 WHERE id = ANY ($1::bigint[])
