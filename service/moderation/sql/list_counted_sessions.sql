-- The sessions of a player that count in the standings of a season as they are stored (stored_sessions).
--
-- $1 season, $2 player, $3 how many. The one that makes the standing is the first; of a sum all of them
-- make it, newest first.
--
-- Index: game_session_pkey for the sessions of this player; standing_pkey.
SELECT counted.id AS session_id, counted.score, counted.submitted_at
FROM stored_sessions($1, $2) AS counted
ORDER BY
    counted.pick_key IS NULL OR counted.id IS DISTINCT FROM (
        SELECT standing.session_id
        FROM standing
        WHERE standing.season_id = $1 AND standing.player_id = $2
    ),
    counted.pick_key,
    counted.pick_id
LIMIT $3
