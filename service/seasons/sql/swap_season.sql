-- Gives a season the number of the one that it was built to replace.
--
-- $1 season. The other one is gone by then: drop_season.sql.
--
-- Index: season_pkey. Locks: the season.
UPDATE season SET number = -number WHERE id = $1
