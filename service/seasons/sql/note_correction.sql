-- Notes that the result of a season was corrected, so that cursors into the one before are known.
--
-- $1 season. Index: season_pkey, season_refresh_pkey, standing_pkey. Locks: the season and its rows of
-- season_refresh.
WITH counted AS (
    UPDATE season_refresh
    SET players = (SELECT count(*) FROM standing WHERE season_id = $1)
    WHERE season_id = $1
)
UPDATE season SET revision = revision + 1 WHERE id = $1
