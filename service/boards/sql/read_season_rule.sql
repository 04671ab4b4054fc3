-- The rule that a season was opened with.
--
-- $1 season.
SELECT rule.* FROM season JOIN rule ON rule.id = season.rule_id WHERE season.id = $1
