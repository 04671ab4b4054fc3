-- Adds a season to a board or, where that has one of this number, gives it this rule and these ends. What
-- has not begun has missed nothing.
--
-- $1 board, $2 number, $3 rule, $4 its start (null: before all sessions), $5 its end (null: none),
-- $6 whether sessions that are in the ledger already count in it: then it is to be filled.
--
-- Index: season_board_number. Locks: the season.
WITH put AS (
    INSERT INTO season (board_id, number, rule_id, starts_at, ends_at, fill_from_player)
    VALUES ($1, $2, $3, coalesce($4::timestamptz, '-infinity'), $5, CASE WHEN $6 THEN 0 END)
    ON CONFLICT (board_id, number) DO UPDATE SET
        rule_id = excluded.rule_id,
        starts_at = excluded.starts_at,
        ends_at = excluded.ends_at,
        missed_after = NULL,
        missed_until = NULL,
        fill_from_player = excluded.fill_from_player
    -- A row that this statement inserted has no deleting transaction.
    RETURNING id, xmax = 0 AS is_new
)
INSERT INTO season_refresh (season_id) SELECT id FROM put WHERE is_new
