-- The seasons of a board from a number on, oldest first.
--
-- $1 board, $2 number. Index: season_board_number.
SELECT number, rule_id, nullif(starts_at, '-infinity') AS starts_at, ends_at
FROM season
WHERE board_id = $1 AND number >= $2
ORDER BY number
