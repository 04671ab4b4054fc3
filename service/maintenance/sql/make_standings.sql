-- Makes the standings of new players, who have none yet and nothing in the outbox.
--
-- $1 and $2 first and last player id. Answers one row a season: how many players now stand there.
--
-- Index: game_session_pkey for the sessions of these players alone. Locks: the new rows.
WITH made AS (
    INSERT INTO standing
        (season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total)
    SELECT season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    FROM ledger_standing
    WHERE player_id BETWEEN $1 AND $2 AND season_id IN (SELECT id FROM counting_season)
    ORDER BY season_id, player_id
    RETURNING season_id
)
SELECT season_id, count(*) AS players FROM made GROUP BY season_id
