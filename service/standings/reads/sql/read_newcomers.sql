-- What read_total.sql tells of players without any session, at a third of the price; no row for others.
--
-- $1 season, $2 players.
--
-- Index: player_pkey; game_session_pkey, which knows at once that there is none.
SELECT
    player.id AS user_id,
    username,
    NULL::bigint AS score,
    false AS saturated,
    counted.players,
    refreshed_at
FROM player
CROSS JOIN LATERAL (
    SELECT players FROM season_refresh WHERE season_id = $1 ORDER BY number DESC LIMIT 1
) AS counted
CROSS JOIN refresh_state
WHERE player.id = ANY($2) AND NOT EXISTS (SELECT FROM game_session WHERE player_id = player.id)
