-- Gives a fold its number and tells which number each changed season had before.
--
-- $1 season ids, $2 how many standings are new in each, $3 sessions folded. Answers one row a
-- season: the epoch, this refresh's number and time, the season's previous number and its players
-- now. The season's previous number is what its index in Redis must have reached for the changes to
-- be added to it.
--
-- Locks: the row of refresh_state, then the rows of the seasons.
WITH numbered AS (
    UPDATE refresh_state
    SET number = number + 1, refreshed_at = date_trunc('milliseconds', clock_timestamp()), refresh_sessions = $3
    RETURNING epoch, number, refreshed_at
),
before AS (
    SELECT id, last_refresh FROM season WHERE id = ANY ($1::bigint[]) FOR UPDATE
)
UPDATE season
SET last_refresh = numbered.number, players = season.players + grown.by
FROM numbered, before, unnest($1::bigint[], $2::bigint[]) AS grown (season_id, by)
WHERE season.id = before.id AND season.id = grown.season_id
RETURNING
    season.id AS season_id,
    season.players,
    numbered.epoch,
    numbered.number,
    before.last_refresh AS previous_number,
    numbered.refreshed_at
