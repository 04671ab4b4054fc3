-- The boards for the status page: how many there are, which seasons are over and not closed, which are
-- being filled, and where most players stand.
--
-- $1 of how many boards to tell the players. One row; the lists are JSON. A season that replaces another
-- has that one's number. Index: season_open, season_board_number for each board's newest season, and the
-- end of player_pkey.
WITH open AS MATERIALIZED (
    SELECT
        board.slug,
        abs(season.number) AS number,
        season.players,
        season.starts_at,
        season.ends_at,
        season.sealed_at,
        season.fill_from_player
    FROM season_with_refresh AS season
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL AND board.archived_at IS NULL
),
current AS (
    SELECT DISTINCT ON (slug) slug, players
    FROM open
    WHERE starts_at <= ledger_now() AND fill_from_player IS NULL
    ORDER BY slug, number DESC
),
busiest AS MATERIALIZED (
    SELECT slug, players FROM current ORDER BY players DESC, slug LIMIT $1
)
SELECT
    (SELECT count(*) FROM board) AS boards,
    (SELECT count(*) FROM board WHERE archived_at IS NOT NULL) AS archived,
    (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'board', slug,
                    'season', number,
                    'ends_at', ends_at,
                    'is_sealed', sealed_at IS NOT NULL
                )
                ORDER BY ends_at, slug
            ),
            '[]'
        )
        FROM open
        WHERE ends_at <= ledger_now() AND fill_from_player IS NULL
    )::text AS ending,
    (
        SELECT coalesce(
            json_agg(
                json_build_object(
                    'board', slug,
                    'season', number,
                    'percent', round(
                        100.0 * least(fill_from_player, highest) / greatest(highest, 1), 1
                    )
                )
                ORDER BY slug, number
            ),
            '[]'
        )
        FROM open
        CROSS JOIN (SELECT coalesce(max(id), 0) AS highest FROM player) AS known
        WHERE fill_from_player IS NOT NULL
    )::text AS filling,
    (
        SELECT coalesce(json_agg(json_build_object('board', slug, 'players', players)), '[]')
        FROM busiest
    )::text AS busiest,
    (
        SELECT coalesce(sum(players), 0)::bigint
        FROM current
        WHERE slug NOT IN (SELECT slug FROM busiest)
    ) AS other_players
