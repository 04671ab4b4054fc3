-- Closes a season that is sealed, in the transaction that stored its ranks.
--
-- $1 season. Answers how many stand in it, or no row where it was closed before.
UPDATE season
SET
    closed_at = ledger_now(),
    players = (SELECT count(*) FROM standing WHERE standing.season_id = season.id)
WHERE id = $1 AND sealed_at IS NOT NULL AND closed_at IS NULL
RETURNING players
