-- What a player's sessions add up to, straight from the ledger, and where that would stand.
--
-- $1 season, $2 player. No row for an unknown player. The rank is null without any session.
--
-- Index: game_session_pkey for this player's sessions alone;
-- standing_season_id_sort_score_player_id from its start for the count.
SELECT
    player.username,
    total.score,
    CASE WHEN total.sessions > 0 THEN 1 + (
        SELECT count(*)
        FROM standing
        WHERE standing.season_id = season.id
            AND standing.sort_score < (
                CASE board.direction WHEN 'high' THEN -total.score ELSE total.score END
            )
    ) END AS rank,
    season.players,
    refresh_state.refreshed_at
FROM player
CROSS JOIN season
JOIN board ON board.id = season.board_id
CROSS JOIN refresh_state
CROSS JOIN LATERAL (
    SELECT
        count(*) AS sessions,
        least(greatest(coalesce(sum(score), 0), -9007199254740991), 9007199254740991)::bigint
            AS score
    FROM game_session
    WHERE game_session.player_id = player.id
        AND (board.game_mode IS NULL OR board.game_mode = game_session.game_mode)
        AND game_session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR game_session.submitted_at < season.ends_at)
) AS total
WHERE season.id = $1 AND player.id = $2
