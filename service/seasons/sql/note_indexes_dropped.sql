-- Notes that Redis holds nothing of some closed seasons any more.
--
-- $1 seasons.
UPDATE season SET has_index = false WHERE id = ANY ($1::bigint[])
