-- The rules by which sessions count or will count: of each board that is not archived, the rule of its
-- next season and those of the seasons that are not over.
--
-- $1 a board that is left out (null: none). One row a board and rule. Index: season_open; rule_pkey.
SELECT counting.board_id, rule.*
FROM (
    SELECT id AS board_id, rule_id FROM board
    UNION
    SELECT season.board_id, season.rule_id
    FROM season
    CROSS JOIN (SELECT ledger_now() AS at OFFSET 0) AS now
    WHERE season.closed_at IS NULL AND coalesce(season.ends_at > now.at, true)
) AS counting
JOIN board ON board.id = counting.board_id
JOIN rule ON rule.id = counting.rule_id
WHERE board.archived_at IS NULL AND board.id IS DISTINCT FROM $1
