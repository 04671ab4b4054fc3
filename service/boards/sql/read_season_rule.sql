-- The rule that a season was opened with, and whether it lacks sessions of when its board was archived.
--
-- $1 season.
SELECT rule.*, season.missed_after IS NOT NULL AS has_missed
FROM season
JOIN rule ON rule.id = season.rule_id
WHERE season.id = $1
