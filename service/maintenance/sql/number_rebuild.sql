-- Gives a rebuild its number, and every open season its count of players, from the standings.
--
-- Answers the number. The epoch is a new one, so no index in Redis can be at this number and each will be
-- rebuilt, even where this database was restored from a backup and Redis has followed it further under
-- the same epoch.
--
-- Locks: the row of latest_refresh, then those of season_refresh, like a refresh; that of
-- database_state.
WITH numbered AS (
    UPDATE latest_refresh
    SET
        number = number + 1,
        refreshed_at = date_trunc('milliseconds', clock_timestamp()),
        refresh_sessions = 0
    RETURNING number
),
renewed AS (
    UPDATE database_state SET epoch = gen_random_uuid()
),
counted AS (
    UPDATE season_refresh
    SET
        number = numbered.number,
        players = (SELECT count(*) FROM standing WHERE standing.season_id = season_refresh.season_id)
    FROM numbered
    WHERE season_refresh.season_id IN (SELECT id FROM counting_season)
)
SELECT number FROM numbered
