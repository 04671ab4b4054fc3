-- What some seasons are called: the slug of their board, and their number there.
--
-- $1 seasons. One that is counted anew beside the open one has the number of that, below zero.
--
-- Index: season_pkey.
SELECT season.id AS season_id, board.slug, season.number
FROM season
JOIN board ON board.id = season.board_id
WHERE season.id = ANY ($1::bigint[])
