-- How many sessions are pending, and which of them are not in the ledger, or pending more than once.
WITH pending AS (
    SELECT session_id, count(*) AS times FROM pending_session GROUP BY session_id
)
SELECT
    coalesce(sum(times), 0)::bigint AS pending,
    coalesce(array_agg(session_id) FILTER (WHERE game_session.id IS NULL), '{}') AS unknown,
    coalesce(array_agg(session_id) FILTER (WHERE times > 1), '{}') AS repeated
FROM pending
LEFT JOIN game_session ON game_session.id = session_id
