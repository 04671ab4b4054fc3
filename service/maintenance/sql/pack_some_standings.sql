-- The standings of some players of a season, packed like those of pack_standings.sql.
--
-- $1 season, $2 player ids, $3 whether the season's members have a tie_key. A lateral subquery a line is
-- a probe of standing_pkey whatever the statistics say. A player without a standing is left out.
SELECT
    string_agg(
        CASE WHEN $3 THEN int8send(tie_key) ELSE ''::bytea END || int8send(player_id) || int8send(sort_score),
        ''::bytea
    ) AS packed
FROM unnest($2::bigint[]) AS given (asked_id)
CROSS JOIN LATERAL (
    SELECT player_id, tie_key, sort_score
    FROM standing
    WHERE standing.season_id = $1 AND standing.player_id = given.asked_id
    LIMIT 1
) AS standing
