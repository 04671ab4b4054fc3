-- Makes the standings of a closed season what the ledger says by now: without what is revoked, without
-- players who are banned or hidden, and with what was imported since, in the outbox or not, up to the
-- season's last session.
--
-- $1 season. Answers each standing that is another one: its player, its score before and after, and its
-- rank before.
--
-- Index: none, all of the season is compared; standing_pkey and rank_block_pkey for what differs. Locks:
-- the standings it writes; nobody else writes those of a closed season but the holder of the closing
-- lock.
WITH differing AS MATERIALIZED (
    SELECT
        player_id,
        stored.score AS score_before,
        earned.score,
        earned.sort_score,
        earned.tie_key,
        earned.sessions,
        earned.reached_at,
        earned.session_id,
        earned.exact_total
    FROM (
        SELECT * FROM ledger_standing WHERE season_id = $1
    ) AS earned
    FULL JOIN (SELECT * FROM standing WHERE season_id = $1) AS stored USING (player_id)
    WHERE ROW(earned.*) IS DISTINCT FROM ROW(stored.*)
),
removed AS (
    DELETE FROM standing
    WHERE season_id = $1
        AND player_id IN (SELECT differing.player_id FROM differing WHERE score IS NULL)
),
stored AS (
    INSERT INTO standing (
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    )
    SELECT $1, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    FROM differing
    WHERE score IS NOT NULL
    ORDER BY player_id
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = excluded.score,
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        sessions = excluded.sessions,
        reached_at = excluded.reached_at,
        session_id = excluded.session_id,
        exact_total = excluded.exact_total
)
SELECT
    player_id,
    score_before,
    score AS score_after,
    (
        SELECT rank FROM ranked_standing
        WHERE season_id = $1 AND ranked_standing.player_id = differing.player_id
    ) AS rank_before
FROM differing
ORDER BY player_id
