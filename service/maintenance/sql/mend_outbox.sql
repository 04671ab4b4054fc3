-- Takes sessions out of the outbox that are not in the ledger, or there more than once. Answers how many.
--
-- Index: game_session_pkey, probed by a scalar subquery, which cannot become a scan of the ledger.
-- Locks: the rows of the outbox that it replaces, which only the holder of the writer lock takes.
WITH pending AS MATERIALIZED (
    SELECT
        outbox.ctid AS place,
        player_id,
        session_id,
        row_number() OVER (PARTITION BY session_id ORDER BY outbox.transaction_id, outbox.ctid) = 1
        AND (
            SELECT session.id
            FROM game_session AS session
            WHERE session.player_id = entry.player_id AND session.id = entry.session_id
        ) IS NOT NULL AS is_right
    FROM outbox
    CROSS JOIN LATERAL unnest(player_ids, session_ids) AS entry (player_id, session_id)
),
taken AS (
    DELETE FROM outbox
    WHERE ctid = ANY (ARRAY(SELECT DISTINCT place FROM pending WHERE NOT is_right))
    RETURNING ctid AS place
),
kept AS (
    INSERT INTO outbox (player_ids, session_ids)
    SELECT array_agg(player_id), array_agg(session_id)
    FROM pending
    JOIN taken USING (place)
    WHERE is_right
    GROUP BY place
)
SELECT count(*) FROM pending WHERE NOT is_right
