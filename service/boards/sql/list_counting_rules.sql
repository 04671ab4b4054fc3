-- The rules by which sessions count or will count: of each board that is not archived, the rule of its
-- next season and those of the seasons that are not over.
--
-- $1 a board that is left out (null: none). One row a board and rule.
SELECT DISTINCT board.id AS board_id, rule.*
FROM board
JOIN rule
    ON rule.id = board.rule_id
    OR rule.id IN (
        SELECT season.rule_id
        FROM season
        WHERE season.board_id = board.id AND season.closed_at IS NULL
            AND coalesce(season.ends_at > ledger_now(), true)
    )
WHERE board.archived_at IS NULL AND board.id IS DISTINCT FROM $1
