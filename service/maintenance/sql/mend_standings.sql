-- Makes the standings listed in wrong_standing (find_wrong_standings.sql) what they must be.
--
-- Answers how many there were. Rows are found by their place, which stays because only the holder of
-- the writer lock moves them.
--
-- Locks: the standings it writes.
WITH removed AS (
    DELETE FROM standing
    USING wrong_standing AS wrong
    WHERE standing.ctid = wrong.place AND wrong.score IS NULL
),
corrected AS (
    UPDATE standing
    SET score = wrong.score,
        sort_score = wrong.sort_score,
        tie_key = wrong.tie_key,
        sessions = wrong.sessions,
        reached_at = wrong.reached_at,
        session_id = wrong.session_id,
        exact_total = wrong.exact_total
    FROM wrong_standing AS wrong
    WHERE standing.ctid = wrong.place AND wrong.score IS NOT NULL
),
added AS (
    INSERT INTO standing
        (season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total)
    SELECT season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    FROM wrong_standing
    WHERE place IS NULL
    ORDER BY season_id, player_id
)
SELECT count(*) AS standings FROM wrong_standing
