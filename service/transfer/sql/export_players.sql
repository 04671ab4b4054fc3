-- A run of players by id, to be exported. $1 the id before the first, $2 how many.
--
-- Index: player_pkey. The caller turns sequential scans off, for a planner without statistics.
SELECT id AS user_id, username, external_id, state, state_until, joined_at
FROM player
WHERE id > $1
ORDER BY id
LIMIT $2
