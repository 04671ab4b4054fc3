-- What a player's sessions add up to, straight from the ledger.
--
-- $1 season, $2 player. No row for an unknown player. Both scores are null without any session.
--
-- Index: game_session_pkey for this player's sessions alone. Where that would stand is asked apart:
-- with both in one statement PostgreSQL makes a new plan each time, which costs more than the rest.
SELECT
    player.username,
    total.score,
    total.saturated,
    CASE board.direction WHEN 'high' THEN -total.score ELSE total.score END AS sort_score,
    season.players,
    refresh_state.refreshed_at
FROM player
CROSS JOIN season
JOIN board ON board.id = season.board_id
CROSS JOIN refresh_state
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN count(*) > 0
            THEN least(greatest(sum(score), -9007199254740991), 9007199254740991)::bigint
        END AS score,
        coalesce(abs(sum(score)) > 9007199254740991, false) AS saturated
    FROM game_session
    WHERE game_session.player_id = player.id
        AND (board.game_mode IS NULL OR board.game_mode = game_session.game_mode)
        AND game_session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR game_session.submitted_at < season.ends_at)
) AS total
WHERE season.id = $1 AND player.id = $2
