-- The standings of some players of a season, packed like those of pack_standings.sql.
--
-- $1 season, $2 player ids. A scalar subquery a line is a probe of standing_pkey whatever the
-- statistics say. A player without a standing is left out.
SELECT string_agg(int8send(player_id) || int8send(sort_score), ''::bytea) AS packed
FROM (
    SELECT
        player_id,
        (
            SELECT standing.sort_score
            FROM standing
            WHERE standing.season_id = $1 AND standing.player_id = given.player_id
        ) AS sort_score
    FROM unnest($2::bigint[]) AS given (player_id)
) AS standing_now
WHERE sort_score IS NOT NULL
