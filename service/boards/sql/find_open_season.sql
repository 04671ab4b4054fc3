-- The open season of a board, and the database's epoch.
--
-- $1 the board's slug. Index: board_slug_key; season_board_number for the seasons of one board.
SELECT season.id AS season_id, refresh_state.epoch
FROM board
JOIN season ON season.board_id = board.id AND season.closed_at IS NULL
CROSS JOIN refresh_state
WHERE board.slug = $1
ORDER BY season.number DESC
LIMIT 1
