-- Begins to rank seasons in slices.
--
-- $1 the seasons, $2 number of the refresh whose standings the ranks will show, or later ones.
--
-- Index: season_pkey. Locks: the new rows.
INSERT INTO rerank_progress (season_id, epoch, number)
SELECT season.id, database_state.epoch, $2
FROM season
CROSS JOIN database_state
WHERE season.id = ANY ($1::bigint[])
