-- Notes that Redis holds nothing of a closed season any more.
--
-- $1 season.
UPDATE season SET has_index = false WHERE id = $1
