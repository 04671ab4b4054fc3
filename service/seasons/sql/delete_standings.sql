-- Deletes some standings of a season that is no more.
--
-- $1 season, $2 how many at most. Answers how many. Index: standing_pkey. Locks: these standings.
WITH deleted AS (
    DELETE FROM standing
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM standing WHERE season_id = $1 LIMIT $2))
    RETURNING player_id
)
SELECT count(*) AS standings FROM deleted
