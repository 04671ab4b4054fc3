-- The next standings of a season in its order, packed for the index: the member, which is eight bytes of
-- tie_key, unless that is 0, and eight bytes of player id, then eight bytes of sort_score, all most
-- significant first. One row holds up to $2 standings.
--
-- $1 season, $2 standings a row; $3 to $5 sort_score, tie_key and player of the standing to go on after;
-- $6 most standings. Index: standing_season_id_order, or none where these are all that there are.
SELECT
    string_agg(
        CASE tie_key WHEN 0 THEN ''::bytea ELSE int8send(tie_key) END
        || int8send(player_id) || int8send(sort_score),
        ''::bytea
    ) AS packed
FROM (
    SELECT
        player_id,
        tie_key,
        sort_score,
        (row_number() OVER (ORDER BY sort_score, tie_key, player_id) - 1) / $2 AS chunk
    FROM standing
    WHERE season_id = $1 AND (sort_score, tie_key, player_id) > ($3, $4, $5)
    ORDER BY sort_score, tie_key, player_id
    LIMIT $6
) AS ordered
GROUP BY chunk
ORDER BY chunk
