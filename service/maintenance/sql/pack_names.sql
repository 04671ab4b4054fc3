-- The names of the players who stand in a season, packed for compare_names.lua: id and name, each
-- with a zero byte after it.
--
-- $1 season, $2 and $3 first and last player id. One row a run of 64 ids, which share a bucket, with
-- the id of one of them. Index: standing_pkey; player_pkey.
SELECT
    min(player_id) AS player_id,
    string_agg(
        convert_to(player_id::text, 'UTF8') || '\x00'::bytea
        || convert_to(username, 'UTF8') || '\x00'::bytea,
        ''::bytea
    ) AS packed
FROM standing
JOIN player ON player.id = standing.player_id
WHERE season_id = $1 AND player_id BETWEEN $2 AND $3
GROUP BY player_id / 64
