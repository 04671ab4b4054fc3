-- Stores the next milestones of a season: every 250th standing, with how many come before it.
--
-- $1 season; $2 to $5 the milestone to go on from: its position, sort_score, tie_key and player; $6 how
-- many. Answers the last one that was stored, or no row at the end of the season, whose later
-- milestones, of standings that are gone, are removed then.
--
-- Index: standing_season_id_order, $6 times 250 entries in order. Locks: the rows that it writes.
WITH RECURSIVE walked AS (
    SELECT
        $2::bigint AS position,
        $3::bigint AS sort_score,
        $4::bigint AS tie_key,
        $5::bigint AS player_id,
        0 AS step
    UNION ALL
    SELECT
        walked.position + 250, next.sort_score, next.tie_key, next.player_id, walked.step + 1
    FROM walked
    CROSS JOIN LATERAL (
        SELECT sort_score, tie_key, player_id
        FROM standing
        WHERE season_id = $1
            AND (sort_score, tie_key, player_id)
                >= (walked.sort_score, walked.tie_key, walked.player_id)
        ORDER BY sort_score, tie_key, player_id
        OFFSET 250
        LIMIT 1
    ) AS next
    WHERE walked.step < $6::integer
),
stored AS (
    INSERT INTO milestone (season_id, position, sort_score, tie_key, player_id)
    SELECT $1, position, sort_score, tie_key, player_id FROM walked WHERE step > 0
    ON CONFLICT (season_id, position) DO UPDATE SET
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        player_id = excluded.player_id
),
removed AS (
    DELETE FROM milestone
    WHERE season_id = $1
        AND position > (SELECT max(position) FROM walked)
        AND (SELECT max(step) FROM walked) < $6::integer
)
SELECT position, sort_score, tie_key, player_id FROM walked WHERE step = $6::integer
