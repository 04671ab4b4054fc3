-- Makes the standings of a run of players in a season that is being filled, from the ledger.
--
-- $1 season, $2 and $3 first and last player id. Answers one row: how many stand. Pending sessions are
-- left out: folds count them once the season's fill_from_player has passed their player.
--
-- Index: game_session_pkey for the sessions of these players alone. Locks: the new standings; the caller
-- holds the lock of the only writer.
WITH made AS (
    INSERT INTO standing (
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    )
    SELECT
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    FROM ledger_standing
    WHERE season_id = $1 AND player_id BETWEEN $2 AND $3
    RETURNING player_id
)
SELECT $1::bigint AS season_id, count(*) AS standings FROM made
