-- Boards with their rules, by slug, each with the season that is current.
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
    current.*
FROM board
JOIN rule ON rule.id = board.rule_id
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
        season.ends_at <= coalesce(board.archived_at, ledger_now()) AS is_over
    FROM season
    WHERE season.board_id = board.id
        AND season.number > 0
        AND season.starts_at <= coalesce(board.archived_at, ledger_now())
    ORDER BY season.number DESC
    LIMIT 1
) AS current
WHERE ($1::varchar IS NULL OR board.slug = $1) AND board.slug > $2
ORDER BY board.slug
LIMIT $3
