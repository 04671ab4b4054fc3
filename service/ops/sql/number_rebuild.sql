-- Gives a rebuild its number, and every open season its count of players, from the standings.
--
-- $1 how many sessions it took from the outbox. Answers the number. No index in Redis is at this
-- number, so each will be rebuilt.
--
-- Locks: the row of refresh_state, then the rows of the seasons, like number_refresh.sql.
WITH numbered AS (
    UPDATE refresh_state
    SET number = number + 1, refreshed_at = clock_timestamp(), refresh_sessions = $1
    RETURNING number
),
counted AS (
    UPDATE season
    SET
        last_refresh = numbered.number,
        players = (SELECT count(*) FROM standing WHERE standing.season_id = season.id)
    FROM numbered
    WHERE closed_at IS NULL
)
SELECT number FROM numbered
