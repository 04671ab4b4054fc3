-- The seasons of a board up to a number that folds may still have to change, oldest first, each with the
-- rule that it is to have: that of the season that is built to replace it, where there is one.
--
-- $1 board, $2 number. Index: season_board_number.
SELECT
    rule.*,
    rule.id AS rule_id,
    season.number,
    nullif(season.starts_at, '-infinity') AS starts_at,
    season.ends_at
FROM season
LEFT JOIN season AS built ON built.board_id = season.board_id AND built.number = -season.number
JOIN rule ON rule.id = coalesce(built.rule_id, season.rule_id)
WHERE season.board_id = $1 AND season.number BETWEEN 1 AND $2 AND season.sealed_at IS NULL
ORDER BY season.number
