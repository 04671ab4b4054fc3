-- Notes that Redis holds nothing of some closed seasons any more.
--
-- $1 seasons. Index: season_pkey. Locks: these seasons.
UPDATE season SET has_index = false WHERE id = ANY ($1::bigint[])
