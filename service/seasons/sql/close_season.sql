-- Closes a season that is sealed, in the transaction that stored its ranks.
--
-- $1 season. Answers how many stand in it, or no row where it was closed before.
--
-- Index: season_pkey, season_refresh_pkey, standing_pkey. Locks: the season, then its row of
-- season_refresh.
WITH closed AS (
    UPDATE season
    SET closed_at = ledger_now()
    WHERE id = $1 AND sealed_at IS NOT NULL AND closed_at IS NULL
    RETURNING id
)
UPDATE season_refresh
SET players = (SELECT count(*) FROM standing WHERE standing.season_id = closed.id)
FROM closed
WHERE season_refresh.season_id = closed.id
RETURNING players
