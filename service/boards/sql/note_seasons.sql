-- Notes until when every board has its seasons: then the first of them needs another one.
--
-- Index: season_board_number for the newest season of each board. Locks: the row of database_state.
UPDATE database_state
SET seasons_until = (
    SELECT min(newest.ends_at)
    FROM board
    CROSS JOIN LATERAL (
        SELECT ends_at FROM season WHERE board_id = board.id ORDER BY number DESC LIMIT 1
    ) AS newest
    WHERE board.archived_at IS NULL
)
