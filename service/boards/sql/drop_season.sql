-- Drops a season, and notes that its standings and its index are to be deleted.
--
-- $1 board, $2 number. No row where there is none. Index: season_board_number. Locks: the season.
WITH dropped AS (
    DELETE FROM season WHERE board_id = $1 AND number = $2 RETURNING id
)
INSERT INTO dropped_season (season_id) SELECT id FROM dropped RETURNING season_id
