-- How many sessions are pending, and which of them are not in the ledger, or pending more than once.
--
-- Index: game_session_pkey, probed by a scalar subquery, which cannot become a scan of the ledger.
WITH pending AS (
    SELECT
        session_id,
        count(*) AS times,
        (
            SELECT session.id
            FROM game_session AS session
            WHERE session.player_id = pending.player_id AND session.id = pending.session_id
        ) IS NOT NULL AS is_known
    FROM pending_session AS pending
    GROUP BY player_id, session_id
)
SELECT
    coalesce(sum(times), 0)::bigint AS pending,
    coalesce(array_agg(session_id) FILTER (WHERE NOT is_known), '{}') AS unknown,
    coalesce(array_agg(session_id) FILTER (WHERE times > 1), '{}') AS repeated
FROM pending
