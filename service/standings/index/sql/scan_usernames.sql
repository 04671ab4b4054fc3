-- The names of some players who stand in a season, packed for load_names.lua: id and name by id, each
-- with a zero byte after it.
--
-- $1 season, $2 ids a bucket, $3 and $4 lowest and highest id, of whole buckets. One row a bucket, by
-- its number.
--
-- Index: none where these are all there are: both tables are read as a whole then.
SELECT
    player_id / $2::bigint AS bucket,
    string_agg(
        convert_to(player_id::text, 'UTF8') || '\x00'::bytea
        || convert_to(username, 'UTF8') || '\x00'::bytea,
        ''::bytea
        ORDER BY player_id
    ) AS packed
FROM standing
JOIN player ON player.id = standing.player_id
WHERE season_id = $1 AND player_id BETWEEN $3 AND $4
GROUP BY 1
ORDER BY 1
