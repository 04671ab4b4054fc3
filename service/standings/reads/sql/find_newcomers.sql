-- Those of some players who have no session, with their names.
--
-- $1 players.
--
-- Index: player_pkey; game_session_pkey, which knows at once that there is none.
SELECT id, username
FROM player
WHERE id = ANY($1) AND NOT EXISTS (SELECT FROM game_session WHERE player_id = player.id)
