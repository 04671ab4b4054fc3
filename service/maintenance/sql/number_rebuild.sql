-- Gives a rebuild its number, and every open season its count of players, from the standings.
--
-- $1 how many sessions it took from the outbox. Answers the number. The epoch is a new one, so no
-- index in Redis can be at this number and each will be rebuilt, even where this database was
-- restored from a backup and Redis has followed it further under the same epoch.
--
-- Locks: the row of refresh_state, then the rows of the seasons, like number_refresh.sql.
WITH numbered AS (
    UPDATE refresh_state
    SET
        epoch = gen_random_uuid(),
        number = number + 1,
        refreshed_at = date_trunc('milliseconds', clock_timestamp()),
        refresh_sessions = $1
    RETURNING number
),
counted AS (
    UPDATE season
    SET
        last_refresh = numbered.number,
        players = (SELECT count(*) FROM standing WHERE standing.season_id = season.id)
    FROM numbered
    WHERE season.id IN (SELECT id FROM counting_season)
)
SELECT number FROM numbered
