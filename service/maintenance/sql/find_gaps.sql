-- The seasons that do not end where the next one of their board begins, or that have none of the next
-- number though there are later ones.
--
-- Index: season_board_number.
SELECT slug, number, ends_at, next_number, next_starts_at
FROM (
    SELECT
        board_id,
        number,
        ends_at,
        lead(number) OVER by_number AS next_number,
        lead(starts_at) OVER by_number AS next_starts_at
    FROM season
    WHERE number > 0
    WINDOW by_number AS (PARTITION BY board_id ORDER BY number)
) AS listed
JOIN board ON board.id = board_id
WHERE next_number IS NOT NULL AND (next_number, next_starts_at) IS DISTINCT FROM (number + 1, ends_at)
ORDER BY slug, number
