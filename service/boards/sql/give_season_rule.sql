-- Gives a season another rule that counts the same, or another end.
--
-- $1 season, $2 rule, $3 its end (null: none). Index: season_pkey. Locks: the season.
UPDATE season SET rule_id = $2, ends_at = $3 WHERE id = $1
