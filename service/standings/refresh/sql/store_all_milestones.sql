-- Stores the milestones of a season at once, and removes those of standings that are gone: every 250th
-- standing, with how many come before it.
--
-- $1 season. Index: none, or what finds the season among others; the caller turns index scans off.
-- Locks: the milestones of the season.
WITH counted AS MATERIALIZED (
    SELECT *
    FROM (
        SELECT
            row_number() OVER (ORDER BY sort_score, tie_key, player_id) - 1 AS position,
            sort_score,
            tie_key,
            player_id
        FROM standing
        WHERE season_id = $1
    ) AS ordered
    WHERE position > 0 AND position % 250 = 0
),
stored AS (
    INSERT INTO milestone (season_id, position, sort_score, tie_key, player_id)
    SELECT $1, position, sort_score, tie_key, player_id FROM counted
    ON CONFLICT (season_id, position) DO UPDATE SET
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        player_id = excluded.player_id
)
DELETE FROM milestone
WHERE season_id = $1 AND position > (SELECT coalesce(max(position), 0) FROM counted)
