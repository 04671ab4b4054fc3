-- In which of some seasons sessions may count, folded or not.
--
-- $1 starts of the seasons and the end of the last, in order; $2 rule. Answers their places, from 1.
--
-- Index: none, the ledger has none by time: it is read as a whole.
SELECT coalesce(array_agg(DISTINCT width_bucket(session.submitted_at, $1::timestamptz[])), '{}') AS places
FROM rule
JOIN game_session AS session
    ON session.submitted_at >= ($1::timestamptz[])[1]
    AND session.submitted_at < ($1::timestamptz[])[cardinality($1)]
    AND (rule.game_mode IS NULL OR rule.game_mode = session.game_mode)
    AND (rule.min_score IS NULL OR rule.min_score <= session.score)
    AND (rule.max_score IS NULL OR rule.max_score >= session.score)
WHERE rule.id = $2
