-- Drops the seasons of a board after this one, none of which has begun.
--
-- $1 board, $2 number. Index: season_board_number. Locks: these seasons.
DELETE FROM season WHERE board_id = $1 AND number > $2
