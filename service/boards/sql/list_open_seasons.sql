-- The seasons that have an index, and the number and token of the refresh that the index of each must have
-- reached.
SELECT
    season.id AS season_id,
    board.slug,
    season.number AS season_number,
    season.players,
    season.last_refresh,
    season.refresh_token,
    rule.ties = 'first' AS is_first,
    season.sealed_at IS NOT NULL AS is_sealed,
    board.slug = 'global' AS is_global,
    refresh_state.*
FROM season_with_refresh AS season
JOIN board ON board.id = season.board_id
JOIN rule ON rule.id = season.rule_id
CROSS JOIN refresh_state
WHERE season.closed_at IS NULL AND season.fill_from_player IS NULL
ORDER BY season.id
