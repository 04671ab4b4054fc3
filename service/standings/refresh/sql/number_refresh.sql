-- Gives a refresh its number.
--
-- $1 sessions folded, $2 where the next claim begins (fold_sessions.sql), null where nothing was claimed; $3
-- the latest time of a session folded. Answers the refresh's number, token and time.
--
-- Index: the newest entry of latest_refresh_pkey. Where somebody else numbers a refresh meanwhile, the row
-- has a higher number then, and is still the one that is meant. Locks: that row.
UPDATE latest_refresh
SET
    number = number + 1,
    refreshed_at = date_trunc('milliseconds', clock_timestamp()),
    refresh_sessions = $1,
    outbox_from = coalesce($2, outbox_from),
    latest_session_at = greatest(latest_session_at, $3)
WHERE number >= (SELECT number FROM latest_refresh ORDER BY number DESC LIMIT 1)
RETURNING number, refreshed_at, (random() * 1e15)::bigint AS token
