-- The boards whose newest season has begun and will end: each needs the one after it by now.
--
-- Answers the board, its rule, and that season; `is_over` where others should have begun since.
-- Index: season_board_number for the newest season.
SELECT
    board.id AS board_id,
    board.rule_id,
    rule.*,
    newest.number,
    newest.ends_at,
    newest.ends_at <= ledger_now() AS is_over
FROM board
JOIN rule ON rule.id = board.rule_id
CROSS JOIN LATERAL (
    SELECT number, starts_at, ends_at
    FROM season
    WHERE season.board_id = board.id
    ORDER BY number DESC
    LIMIT 1
) AS newest
WHERE board.archived_at IS NULL AND newest.ends_at IS NOT NULL AND newest.starts_at <= ledger_now()
