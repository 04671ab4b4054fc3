-- How far folds and refreshes have come, for a process that watches whether reads follow.
--
-- $1 seasons. Answers of those that have an index what that must have reached (as list_open_seasons.sql),
-- why the last refresh failed, and the oldest and the newest transaction whose sessions, or changes of
-- players, are pending, null where none is.
--
-- Index: season_pkey, season_refresh_pkey; outbox_transaction_id from outbox_from on, an entry from
-- either end.
WITH pending AS MATERIALIZED (
    SELECT
        least(
            (
                SELECT transaction_id
                FROM outbox
                WHERE transaction_id >= refresh_state.outbox_from
                ORDER BY transaction_id
                LIMIT 1
            ),
            (SELECT min(transaction_id) FROM changed_player)
        ) AS oldest_pending,
        greatest(
            (
                SELECT transaction_id
                FROM outbox
                WHERE transaction_id >= refresh_state.outbox_from
                ORDER BY transaction_id DESC
                LIMIT 1
            ),
            (SELECT max(transaction_id) FROM changed_player)
        ) AS newest_pending
    FROM refresh_state
)
SELECT
    season_id,
    slug,
    players,
    last_refresh,
    refresh_token,
    epoch,
    refreshed_at,
    refresh_problem,
    oldest_pending,
    newest_pending
FROM indexed_season
CROSS JOIN pending
WHERE season_id = ANY ($1)
