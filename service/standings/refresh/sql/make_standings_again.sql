-- Makes the standings of a player again from the ledger, in every season that counts.
--
-- $1 player. Answers one row a season in which the player stands or stood: the standing, packed for the
-- index as in scan_standings.sql, null where the player does not stand any more; and by how many the
-- players of the season grew: 1, 0 or -1. Of a season that is being filled only players whom that has
-- passed are there.
--
-- An archived board is read as it was, but for the names: its standings are answered as they are, so that
-- they are published again.
--
-- What is in the outbox is left out, and counted by the next fold: so the caller must be the only one
-- who folds. Never subtracted from what stands: nobody could tell the best score before the one that is
-- gone.
--
-- Index: game_session_pkey for the sessions of this player alone; standing_pkey. Locks: the standings
-- of this player.
WITH open_season AS MATERIALIZED (
    SELECT season.id AS season_id
    FROM season
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL
        AND season.sealed_at IS NULL
        AND board.archived_at IS NULL
        AND (season.fill_from_player IS NULL OR season.fill_from_player > $1)
),
made AS MATERIALIZED (
    SELECT ledger_standing.*
    FROM open_season
    JOIN ledger_standing ON ledger_standing.season_id = open_season.season_id
    WHERE ledger_standing.player_id = $1
),
removed AS (
    DELETE FROM standing
    WHERE player_id = $1
        AND season_id IN (SELECT season_id FROM open_season)
        AND season_id NOT IN (SELECT season_id FROM made)
    RETURNING season_id
),
stored AS (
    INSERT INTO standing (
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    )
    SELECT
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    FROM made
    ORDER BY season_id
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = excluded.score,
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        sessions = excluded.sessions,
        reached_at = excluded.reached_at,
        session_id = excluded.session_id,
        exact_total = excluded.exact_total
    -- A row that this statement inserted has no deleting transaction.
    RETURNING season_id, player_id, sort_score, tie_key, (xmax = 0)::integer AS grown_by
),
archived AS (
    SELECT standing.season_id, standing.player_id, standing.sort_score, standing.tie_key
    FROM season
    JOIN board ON board.id = season.board_id
    JOIN standing ON standing.season_id = season.id AND standing.player_id = $1
    WHERE season.closed_at IS NULL
        AND season.sealed_at IS NULL
        AND board.archived_at IS NOT NULL
        AND season.fill_from_player IS NULL
)
SELECT
    season_id,
    CASE tie_key WHEN 0 THEN ''::bytea ELSE int8send(tie_key) END
    || int8send(player_id) || int8send(sort_score) AS packed,
    grown_by,
    is_archived
FROM (
    SELECT *, false AS is_archived FROM stored
    UNION ALL
    SELECT *, 0, true FROM archived
) AS standing
UNION ALL
SELECT season_id, NULL, -1, false FROM removed
