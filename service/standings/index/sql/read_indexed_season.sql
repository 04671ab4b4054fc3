-- A season that has an index, as list_open_seasons.sql has it: of a thousand not all are listed to find one.
--
-- $1 season. Index: season_pkey, season_refresh_pkey.
SELECT * FROM indexed_season WHERE season_id = $1
