-- Changes a board's title and the rule of its next season.
--
-- $1 board, $2 title, $3 rule. Index: board_pkey. Locks: the row of the board.
UPDATE board SET title = $2, rule_id = $3, version = version + 1 WHERE id = $1
