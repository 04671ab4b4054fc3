-- Gives a fold its number and tells which number each changed season had before.
--
-- $1 season ids, $2 how many more stand in each than before, $3 sessions folded, $4 where the next claim
-- begins (fold_sessions.sql), null where nothing was claimed; $5 the latest time of a session folded.
-- Answers one row a season: the epoch, this refresh's number, token and time, the season's previous
-- number and token and its players now, whether ties go to who got there first, and whether it is still
-- being filled, so that it has no index. The previous ones are what its index in Redis must have reached
-- for the changes to be added to it.
--
-- Locks: the row of refresh_state, then the rows of the seasons.
WITH numbered AS (
    UPDATE refresh_state
    SET
        number = number + 1,
        refreshed_at = date_trunc('milliseconds', clock_timestamp()),
        refresh_sessions = $3,
        outbox_from = coalesce($4, outbox_from),
        latest_session_at = greatest(latest_session_at, $5)
    RETURNING epoch, number, refreshed_at, (random() * 1e15)::bigint AS token
),
before AS (
    SELECT id, last_refresh, refresh_token FROM season WHERE id = ANY ($1::bigint[]) FOR UPDATE
)
UPDATE season
SET
    last_refresh = numbered.number,
    refresh_token = numbered.token,
    players = season.players + grown.by
FROM numbered, before, rule, unnest($1::bigint[], $2::bigint[]) AS grown (season_id, by)
WHERE season.id = before.id AND season.id = grown.season_id AND rule.id = season.rule_id
RETURNING
    season.id AS season_id,
    season.players,
    rule.ties = 'first' AS is_first,
    season.fill_from_player IS NOT NULL AS is_filling,
    numbered.epoch,
    numbered.number,
    numbered.token,
    before.last_refresh AS previous_number,
    before.refresh_token AS previous_token,
    numbered.refreshed_at
