-- The next $3 standings of season $1 after player $2, by player, packed for compare_scores.lua as in
-- scan_standings.sql.
--
-- $4 whether the season's members have a tie_key: a standing may have a wrong one, and is compared all
-- the same.
--
-- Answers one row, with nulls where there is no further standing. Index: standing_pkey.
SELECT
    string_agg(
        CASE WHEN $4 THEN int8send(tie_key) ELSE ''::bytea END || int8send(player_id) || int8send(sort_score),
        ''::bytea
    ) AS packed,
    count(*) AS standings,
    min(player_id) AS first_player_id,
    max(player_id) AS last_player_id
FROM (
    SELECT player_id, tie_key, sort_score
    FROM standing
    WHERE season_id = $1 AND player_id > $2
    ORDER BY player_id
    LIMIT $3
) AS run
