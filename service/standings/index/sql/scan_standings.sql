-- The next standings of a season in its order, packed for the index: eight bytes of player id, then
-- eight bytes of sort_score, both most significant first. One row holds up to $2 standings.
--
-- $1 season, $2 standings a row, $3 and $4 sort_score and player of the standing to go on after,
-- $5 most standings. Index: standing_season_id_sort_score_player_id.
SELECT string_agg(int8send(player_id) || int8send(sort_score), ''::bytea) AS packed
FROM (
    SELECT
        player_id,
        sort_score,
        (row_number() OVER (ORDER BY sort_score, player_id) - 1) / $2 AS chunk
    FROM standing
    WHERE season_id = $1 AND (sort_score, player_id) > ($3, $4)
    ORDER BY sort_score, player_id
    LIMIT $5
) AS ordered
GROUP BY chunk
ORDER BY chunk
