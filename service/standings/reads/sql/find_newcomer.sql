-- A player without any session, with the name; no row for others.
--
-- $1 player. Asked for many by as many executions at once: of an array PostgreSQL would make a new plan
-- each time, which takes four times as long as all the rest.
--
-- Index: player_pkey; game_session_pkey, which knows at once that there is none.
SELECT id, username
FROM player
WHERE id = $1 AND NOT EXISTS (SELECT FROM game_session WHERE player_id = $1)
