-- The sessions of a player that count in the standings of a season as they are stored (stored_sessions).
--
-- $1 season, $2 player, $3 how many, $4 only those listed behind this session, which need not count any
-- more; null: from the first on. The one that makes the standing is the first; of a sum all of them make it,
-- newest first.
--
-- Index: game_session_pkey for the sessions of this player; standing_pkey.
WITH maker AS MATERIALIZED (
    SELECT session_id FROM standing WHERE season_id = $1 AND player_id = $2
)
SELECT counted.id AS session_id, counted.score, counted.submitted_at
FROM (
    SELECT
        *,
        pick_key IS NULL OR id IS DISTINCT FROM (SELECT session_id FROM maker) AS is_other
    FROM stored_sessions($1, $2)
) AS counted
WHERE $4::bigint IS NULL
    OR (counted.is_other, coalesce(counted.pick_key, 0), counted.pick_id) > (
        SELECT
            pick_key IS NULL OR id IS DISTINCT FROM (SELECT session_id FROM maker),
            coalesce(pick_key, 0),
            pick_id
        FROM season_session
        WHERE season_id = $1 AND player_id = $2 AND id = $4
    )
ORDER BY counted.is_other, counted.pick_key, counted.pick_id
LIMIT $3
