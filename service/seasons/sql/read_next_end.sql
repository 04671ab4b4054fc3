-- When something is to be done about a season, or about a player's state that ends, next.
--
-- Answers in how many seconds the next season or state ends, negative where it is over and not sealed
-- yet, null where none ends; whether one is being filled or replaced; and for how many seconds one has
-- been sealed and not closed, null where none is.
--
-- Index: season_open; player_state_until.
SELECT
    least(
        extract(
            epoch FROM min(season.ends_at) FILTER (WHERE season.sealed_at IS NULL) - ledger_now()
        ),
        extract(
            epoch FROM (
                SELECT min(state_until) FROM player WHERE state_until IS NOT NULL
            ) - clock_timestamp()
        )
    )::float8 AS seconds_to_end,
    coalesce(bool_or(season.fill_from_player IS NOT NULL OR season.number < 0), false) AS is_filling,
    extract(epoch FROM ledger_now() - min(season.sealed_at))::float8 AS seconds_sealed
FROM season
JOIN board ON board.id = season.board_id
WHERE season.closed_at IS NULL AND board.archived_at IS NULL
