-- Adds seasons to a board that came and went while nobody made them.
--
-- $1 board, $2 number of the first, $3 rule, $4 their starts and the end of the last, in order; $5 the places
-- among them, from 1, of those in which sessions may count; $6 whether the ledger has sessions that are not
-- counted: then those are to be filled; $7 the newest session from which on one that is dated into them is
-- late, or null where others can still be: where it is known, all others are closed at once, with nobody in
-- them.
--
-- Locks: the new rows.
WITH put AS (
    INSERT INTO season (
        board_id,
        number,
        rule_id,
        starts_at,
        ends_at,
        fill_from_player,
        sealed_at,
        last_session_id,
        closed_at,
        has_index
    )
    SELECT
        $1,
        $2 + place - 1,
        $3,
        starts_at,
        ends_at,
        CASE WHEN may_count AND $6 THEN 0 END,
        CASE WHEN is_empty THEN ledger.at END,
        CASE WHEN is_empty THEN $7::bigint END,
        CASE WHEN is_empty THEN ledger.at END,
        NOT is_empty
    FROM (
        SELECT *, NOT may_count AND $7::bigint IS NOT NULL AS is_empty
        FROM (
            SELECT
                place,
                starts_at,
                lead(starts_at) OVER (ORDER BY place) AS ends_at,
                place IN (SELECT unnest($5::integer[])) AS may_count
            FROM unnest($4::timestamptz[]) WITH ORDINALITY AS missed (starts_at, place)
        ) AS marked
    ) AS missed
    CROSS JOIN (SELECT ledger_now() AS at OFFSET 0) AS ledger
    WHERE ends_at IS NOT NULL
    ORDER BY place
    RETURNING id
)
INSERT INTO season_refresh (season_id) SELECT id FROM put
