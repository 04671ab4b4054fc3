-- The seasons of one board whose standings the ledger makes at this moment. $1 the board's slug.
--
-- One row with their ids, in their order; none for an unknown board.
SELECT ARRAY(
        SELECT counting_season.id FROM counting_season WHERE board_id = board.id ORDER BY id
    ) AS season_ids
FROM board
WHERE slug = $1
