-- What PostgreSQL says of a player in a season: what the ledger makes, what stands, and the stored rank.
--
-- $1 season, $2 player. One row, or none for an unknown player.
--
-- Index: game_session_pkey for the sessions of this player; standing_pkey, rank_block_pkey.
SELECT
    player.username,
    player.state,
    player.state_until,
    earned.score AS ledger_score,
    earned.sessions AS ledger_sessions,
    earned.session_id AS ledger_session_id,
    earned.reached_at AS ledger_reached_at,
    stored.score AS standing_score,
    stored.sessions AS standing_sessions,
    stored.session_id AS standing_session_id,
    stored.reached_at AS standing_reached_at,
    stored.rank AS stored_rank,
    (
        SELECT count(*) FROM pending_session WHERE pending_session.player_id = player.id
    ) AS pending,
    EXISTS (
        SELECT FROM changed_player WHERE changed_player.player_id = player.id
    ) AS is_changing
FROM player
LEFT JOIN ledger_standing AS earned ON earned.season_id = $1 AND earned.player_id = player.id
LEFT JOIN ranked_standing AS stored ON stored.season_id = $1 AND stored.player_id = player.id
WHERE player.id = $2
