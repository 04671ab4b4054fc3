-- Notes that the result of a season was corrected, so that cursors into the one before are known.
--
-- $1 season.
WITH counted AS (
    UPDATE season_refresh
    SET players = (SELECT count(*) FROM standing WHERE season_id = $1)
    WHERE season_id = $1
)
UPDATE season SET revision = revision + 1 WHERE id = $1
