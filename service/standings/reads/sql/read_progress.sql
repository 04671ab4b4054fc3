-- How far folds and refreshes have come, for a process that watches whether reads follow.
--
-- $1 season. Answers what its index must have reached (as list_open_seasons.sql), why the last refresh
-- failed, and the oldest and the newest transaction whose sessions, or changes of players, are pending,
-- null where none is.
--
-- Index: season_pkey, season_refresh_pkey; outbox_transaction_id from outbox_from on, an entry from
-- either end.
SELECT
    season.players,
    season.last_refresh,
    season.refresh_token,
    refresh_state.epoch,
    refresh_state.refreshed_at,
    refresh_state.refresh_problem,
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
FROM season_with_refresh AS season
CROSS JOIN refresh_state
WHERE season.id = $1
