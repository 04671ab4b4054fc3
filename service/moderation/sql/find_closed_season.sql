-- A season of a board whose result is stored. $1 slug, $2 number. No row for one that still counts.
--
-- Index: board_slug_key, season_board_number.
SELECT season.id AS season_id, season.revision
FROM season
JOIN board ON board.id = season.board_id
WHERE board.slug = $1 AND season.number = $2 AND season.closed_at IS NOT NULL
