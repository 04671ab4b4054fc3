-- What a player's sessions come to, straight from the ledger, folded or not (the view expected_standing).
--
-- $1 season, $2 player. No row for an unknown player; both scores are null where no session counts. The
-- players are those who stand and, where a session counts, this one.
--
-- Index: game_session_pkey for this player's sessions alone; standing_pkey. Where that would stand is
-- asked apart: with both in one statement PostgreSQL makes a new plan each time, which costs more than
-- the rest.
SELECT
    player_id AS user_id,
    username,
    score,
    saturated,
    sort_score,
    tie_key,
    (
        SELECT players FROM season_refresh WHERE season_id = $1 ORDER BY number DESC LIMIT 1
    ) + (
        score IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM standing WHERE standing.season_id = $1 AND standing.player_id = $2
        )
    )::integer AS players,
    coalesce(closed_at, refreshed_at) AS refreshed_at
FROM expected_standing
CROSS JOIN refresh_state
WHERE season_id = $1 AND player_id = $2
