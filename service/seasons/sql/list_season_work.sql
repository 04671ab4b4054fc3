-- What is to be done about seasons at this moment, the most urgent first: of those to be filled the
-- newest, which is read.
--
-- One row a season: `kind` is `follow` where it has begun, will end, and has none after it yet; `fill`
-- where sessions of the past are still to be counted in it; `swap` where it is complete and takes the
-- place of the season whose number it has without the sign; `seal` where it is over, and nothing else is
-- still to be done about it; and `delete` where it is no more.
--
-- Index: season_open; season_board_number for other seasons of its board.
SELECT season_id, board_id, number, ends_at, is_over, fill_from_player, kind
FROM (
    SELECT
        season.id AS season_id,
        season.board_id,
        season.number,
        season.ends_at,
        season.ends_at <= now.at AS is_over,
        season.fill_from_player,
        CASE
            WHEN season.fill_from_player IS NOT NULL THEN 'fill'
            WHEN season.number < 0 THEN 'swap'
            WHEN season.starts_at <= now.at AND season.ends_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM season AS later
                WHERE later.board_id = season.board_id AND later.number > season.number
            )
            THEN 'follow'
            WHEN season.ends_at <= now.at AND NOT EXISTS (
                SELECT FROM season AS built
                WHERE built.board_id = season.board_id AND built.number = -season.number
            )
            THEN 'seal'
        END AS kind
    FROM season
    JOIN board ON board.id = season.board_id
    CROSS JOIN (SELECT ledger_now() AS at OFFSET 0) AS now
    WHERE season.closed_at IS NULL AND season.sealed_at IS NULL AND board.archived_at IS NULL
    UNION ALL
    -- Once nobody reads it any more by what is remembered of a board.
    SELECT season_id, NULL, NULL, NULL, NULL, NULL, 'delete'
    FROM dropped_season
    WHERE dropped_at < clock_timestamp() - interval '10 seconds'
) AS work
WHERE kind IS NOT NULL
ORDER BY
    array_position('{follow,seal,swap,fill,delete}', kind),
    CASE kind WHEN 'fill' THEN -season_id ELSE season_id END
