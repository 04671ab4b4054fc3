-- What is to be done about seasons at this moment, the most urgent first.
--
-- One row a season: `kind` is `fill` where sessions of the past are still to be counted in it, `swap`
-- where it is complete and takes the place of the season whose number it has without the sign, and
-- `seal` where it is over, and nothing else is still to be done about it.
--
-- Index: season_open; season_board_number for a season that is built to replace one.
SELECT season_id, board_id, number, ends_at, fill_from_player, kind
FROM (
    SELECT
        season.id AS season_id,
        season.board_id,
        season.number,
        season.ends_at,
        season.fill_from_player,
        CASE
            WHEN season.fill_from_player IS NOT NULL THEN 'fill'
            WHEN season.number < 0 THEN 'swap'
            WHEN season.ends_at <= ledger_now() AND NOT EXISTS (
                SELECT FROM season AS built
                WHERE built.board_id = season.board_id AND built.number = -season.number
            )
            THEN 'seal'
        END AS kind
    FROM season
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL AND season.sealed_at IS NULL AND board.archived_at IS NULL
) AS work
WHERE kind IS NOT NULL
ORDER BY kind = 'fill', season_id
