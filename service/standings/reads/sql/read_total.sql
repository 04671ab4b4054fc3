-- What a player's sessions add up to, straight from the ledger, and where that would stand.
--
-- $1 season, $2 player, $3 whether the rank is wanted. No row for an unknown player. Score and rank
-- are null without any session, the rank also where nobody asks for it.
--
-- Index: game_session_player_id_id for this player's sessions alone;
-- standing_season_id_sort_score_player_id from its start for the rank, which a million players make
-- a third of a second of work.
SELECT
    player.username,
    total.score,
    CASE WHEN $3::boolean AND total.score IS NOT NULL THEN 1 + (
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
        CASE
            WHEN count(*) > 0
            THEN least(greatest(sum(score), -9007199254740992), 9007199254740992)::bigint
        END AS score
    FROM game_session
    WHERE game_session.player_id = player.id
        AND (board.game_mode IS NULL OR board.game_mode = game_session.game_mode)
        AND game_session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR game_session.submitted_at < season.ends_at)
) AS total
WHERE season.id = $1 AND player.id = $2
