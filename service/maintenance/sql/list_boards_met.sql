-- The boards on which what `populate` makes may count, by slug.
--
-- $1 its modes, $2 its lowest and $3 its greatest score, $4 when it is made. Index: season_open.
SELECT DISTINCT board.slug
FROM season
JOIN board ON board.id = season.board_id
JOIN rule ON rule.id = season.rule_id
WHERE season.closed_at IS NULL
    AND coalesce(season.starts_at <= $4::timestamptz, true)
    AND board.archived_at IS NULL
    AND coalesce(rule.game_mode = ANY ($1::varchar[]), true)
    AND coalesce(rule.min_score <= $3::bigint, true)
    AND coalesce(rule.max_score >= $2::bigint, true)
ORDER BY board.slug
