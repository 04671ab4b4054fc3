-- Counts the sessions that were recorded after a given one under keys with a common beginning.
--
-- $1 id of the session before the first one looked at, $2 beginning of the idempotency keys. More
-- sessions than distinct keys would mean that a key was counted twice.
--
-- Index: game_session_pkey, from $1 to its end. left() and not starts_with(), which the planner
-- turns into a range of keys and looks up player by player.
SELECT count(*) AS sessions, count(DISTINCT idempotency_key) AS distinct_keys
FROM game_session
WHERE id > $1 AND left(idempotency_key, length($2)) = $2
