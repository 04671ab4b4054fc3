-- Counts the sessions that were recorded after a given one under keys with a common beginning.
--
-- $1 id of the session before the first one looked at, $2 beginning of the idempotency keys. More
-- sessions than distinct keys would mean that a key was counted twice.
--
-- Index: game_session_id, whose runs of pages that may hold ids above $1 are read. left() and not
-- starts_with(), which the planner turns into a range of keys and looks up player by player. The caller
-- turns sequential scans off, which the planner prefers where it knows nothing of the ids.
SELECT count(*) AS sessions, count(DISTINCT idempotency_key) AS distinct_keys
FROM game_session
WHERE id > $1 AND left(idempotency_key, length($2)) = $2
