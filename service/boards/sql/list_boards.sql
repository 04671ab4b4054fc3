-- Boards with their rules, by slug, each with the season that is current at `read_at`, the ledger's time.
--
-- `applies_from_season`: the season from which on the rule counts, where the current one has another.
--
-- $1 only the one of this slug, where it is not null; $2 those after this slug; $3 how many. For an
-- archived board time stands still. A beginning before all sessions is null.
--
-- Index: board_slug_key; for each board season_board_number from its newest season on.
SELECT
    board.id AS board_id,
    board.slug,
    board.title,
    board.version,
    board.created_at,
    board.archived_at,
    rule.*,
    board.rule_id,
    now.at AS read_at,
    current.*,
    -- One that is built beside the open season takes its place, and has its number.
    CASE WHEN to_jsonb(rule) - 'id' <> to_jsonb(season_rule) - 'id' THEN
        current.number + CASE WHEN EXISTS (
            SELECT
            FROM season AS recounted
            WHERE recounted.board_id = board.id AND recounted.number = -current.number
        ) THEN 0 ELSE 1 END
    END AS applies_from_season
FROM board
JOIN rule ON rule.id = board.rule_id
CROSS JOIN (SELECT ledger_now() AS at OFFSET 0) AS now
CROSS JOIN LATERAL (
    SELECT
        season.id AS season_id,
        season.number,
        nullif(season.starts_at, '-infinity') AS starts_at,
        season.ends_at,
        season.closed_at,
        season.players,
        season.revision,
        season.fill_from_player IS NOT NULL AS is_filling,
        season.rule_id AS season_rule_id,
        season.ends_at <= coalesce(board.archived_at, now.at) AS is_over
    FROM season_with_refresh AS season
    WHERE season.board_id = board.id
        AND season.number > 0
        AND season.starts_at <= coalesce(board.archived_at, now.at)
    ORDER BY season.number DESC
    LIMIT 1
) AS current
JOIN rule AS season_rule ON season_rule.id = current.season_rule_id
WHERE ($1::varchar IS NULL OR board.slug = $1) AND board.slug > $2
ORDER BY board.slug
LIMIT $3
