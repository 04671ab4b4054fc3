-- Every standing of a season in its order, packed for the index: eight bytes of player id, then
-- eight bytes of sort_score, both most significant first. One row holds up to $2 standings.
--
-- $1 season, $2 standings a row. Index: standing_season_id_order.
SELECT string_agg(int8send(player_id) || int8send(sort_score), ''::bytea) AS packed
FROM (
    SELECT
        player_id,
        sort_score,
        (row_number() OVER (ORDER BY sort_score, player_id) - 1) / $2 AS chunk
    FROM standing
    WHERE season_id = $1
) AS ordered
GROUP BY chunk
ORDER BY chunk
