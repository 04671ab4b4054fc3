-- The sessions that made the standings of some players.
--
-- $1 season, $2 players. One row a player who stands; of a sum of nothing but 0 there is no session.
--
-- Index: standing_pkey and game_session_pkey, a probe each.
SELECT
    standing.player_id,
    standing.session_id,
    standing.sort_score,
    coalesce(session.submitted_at, standing.reached_at) AS reached_at,
    session.metadata
FROM unnest($2::bigint[]) AS given (player_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM standing
    WHERE standing.season_id = $1 AND standing.player_id = given.player_id
    LIMIT 1
) AS standing
LEFT JOIN LATERAL (
    SELECT submitted_at, metadata
    FROM game_session
    WHERE game_session.player_id = standing.player_id AND game_session.id = standing.session_id
    LIMIT 1
) AS session ON true
