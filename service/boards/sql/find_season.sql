-- A season of a board with the rule that it was opened with, and the database's epoch.
--
-- $1 the board's slug, $2 the season's number, null for the current one. For an archived board time
-- stands still. A beginning before all sessions is null.
--
-- Index: board_slug_key; season_board_number for the seasons of one board, newest first.
SELECT
    rule.*,
    season.id AS season_id,
    season.number,
    CASE
        WHEN season.closed_at IS NOT NULL THEN 'closed'
        WHEN season.ends_at <= coalesce(board.archived_at, ledger_now()) THEN 'ending'
        ELSE 'open'
    END AS state,
    nullif(season.starts_at, '-infinity') AS starts_at,
    season.ends_at,
    season.revision,
    season.rule_id,
    season.fill_from_player IS NOT NULL AS is_filling,
    board.archived_at IS NOT NULL AS is_archived,
    database_state.epoch
FROM board
JOIN season ON season.board_id = board.id
JOIN rule ON rule.id = season.rule_id
CROSS JOIN database_state
WHERE board.slug = $1
    AND season.number > 0
    AND season.starts_at <= coalesce(board.archived_at, ledger_now())
    AND ($2::integer IS NULL OR season.number = $2)
ORDER BY season.number DESC
LIMIT 1
