-- Makes the standings listed in wrong_standing (find_wrong_standings.sql) what they must be.
--
-- Answers how many had another score, and how many no more than another rank. Rows are found by
-- their place, which stays because only the holder of the writer lock moves them.
--
-- Locks: the standings it writes.
WITH removed AS (
    DELETE FROM standing
    USING wrong_standing AS wrong
    WHERE standing.ctid = wrong.place AND wrong.rank IS NULL
),
corrected AS (
    UPDATE standing
    SET score = wrong.score,
        sort_score = wrong.sort_score,
        sessions = wrong.sessions,
        reached_at = wrong.reached_at,
        rank = wrong.rank,
        ranked_at = now()
    FROM wrong_standing AS wrong
    WHERE standing.ctid = wrong.place AND wrong.rank IS NOT NULL
),
added AS (
    INSERT INTO standing
        (season_id, player_id, score, sort_score, sessions, reached_at, rank, ranked_at)
    SELECT season_id, player_id, score, sort_score, sessions, reached_at, rank, now()
    FROM wrong_standing
    WHERE place IS NULL
    ORDER BY season_id, player_id
)
SELECT
    count(*) FILTER (WHERE is_wrong) AS standings,
    count(*) FILTER (WHERE NOT is_wrong) AS ranks
FROM wrong_standing
