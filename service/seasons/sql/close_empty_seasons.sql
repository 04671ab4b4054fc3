-- Closes the seasons that are sealed and in which nobody stands: there is no result to store.
--
-- Answers their ids. Those that something was stored of, from when somebody stood there, are left.
--
-- Index: season_open; a probe each of standing_pkey, rank_block_pkey, milestone_pkey and
-- rerank_progress_pkey, by subqueries that cannot become joins. Locks: the rows of the seasons.
WITH closed AS (
    UPDATE season
    SET closed_at = ledger_now()
    WHERE closed_at IS NULL
        AND sealed_at IS NOT NULL
        AND (SELECT season_id FROM standing WHERE season_id = season.id LIMIT 1) IS NULL
        AND (SELECT season_id FROM rank_block WHERE season_id = season.id LIMIT 1) IS NULL
        AND (SELECT season_id FROM milestone WHERE season_id = season.id LIMIT 1) IS NULL
        AND (SELECT season_id FROM rerank_progress WHERE season_id = season.id) IS NULL
    RETURNING id
),
emptied AS (
    UPDATE season_refresh
    SET players = 0
    FROM closed
    WHERE season_refresh.season_id = closed.id AND season_refresh.players <> 0
)
SELECT id AS season_id FROM closed
