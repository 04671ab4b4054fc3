-- Makes the standings of a run of players in several seasons that are being filled, from the ledger.
--
-- $1 seasons of one board, of which no two hold the same moment; $2 and $3 first and last player id. Answers
-- one row a season in which some of them stand: how many.
--
-- The sessions are read once, to see who may stand where; then each who may is looked at alone. As in
-- fill_season.sql, pending sessions are left out.
--
-- Index: game_session_pkey for the sessions of these players alone. Locks: the new standings; the caller
-- holds the lock of the only writer.
WITH filled AS MATERIALIZED (
    SELECT
        array_agg(id ORDER BY starts_at) AS ids,
        array_agg(starts_at ORDER BY starts_at) AS starts
    FROM season
    WHERE id = ANY ($1::bigint[])
),
place AS MATERIALIZED (
    SELECT DISTINCT
        filled.ids[width_bucket(session.submitted_at, filled.starts)] AS season_id,
        session.player_id
    FROM filled
    JOIN game_session AS session
        ON session.player_id BETWEEN $2 AND $3 AND session.submitted_at >= filled.starts[1]
),
made AS (
    INSERT INTO standing (
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    )
    SELECT earned.*
    FROM place
    CROSS JOIN LATERAL (
        SELECT
            season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
        FROM ledger_standing
        WHERE ledger_standing.season_id = place.season_id
            AND ledger_standing.player_id = place.player_id
        OFFSET 0
    ) AS earned
    RETURNING season_id
)
SELECT season_id, count(*) AS standings FROM made GROUP BY season_id
