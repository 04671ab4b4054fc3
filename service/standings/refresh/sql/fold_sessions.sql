-- Folds pending sessions into the standings of every open season that sums them up.
--
-- $1 about how many sessions to fold at most. Answers one row a season that changed, or a single row
-- with a null season where none did: how many sessions were folded in all; what refresh_state.outbox_from
-- becomes; how many sessions there are of each age in ms when the statement began, as two arrays, from
-- when they were written (the time of an imported one may be long before); the
-- season's changed standings, packed for the index as in
-- scan_standings.sql, in its order, by which Redis finds their places in half the time; and the ids
-- of the players whose standing is new.
--
-- Each claimed session leaves the outbox in this statement, so it is folded once or, when the
-- transaction fails, not at all. Claims go by transaction id from outbox_from on, whatever is dead
-- before it. That moves on to the oldest transaction that may still commit (the xmin of this
-- statement's snapshot), or to the last one claimed where more may be left: every row before it was
-- visible, and claimed. Transaction ids that lie in the future are of another cluster, whose dump was
-- restored: then everything is looked at.
--
-- Each claimed session is probed in the ledger by primary key, in its
-- order, which saves a tenth of the fold's work; OFFSET 0 keeps the planner from turning these
-- probes into a join that reads the whole ledger.
--
-- Locks: the claimed outbox rows, then the standings it writes in key order. A new score is computed
-- from the row as it is once locked, never from an earlier read, so that even two folds at once
-- would lose nothing. Totals stop at ±(2^53 - 1), where doubles stop being exact.
WITH begin AS MATERIALIZED (
    SELECT
        CASE WHEN outbox_from <= snapshot.xmax THEN outbox_from ELSE 0 END AS transaction_id,
        snapshot.xmin
    FROM refresh_state
    CROSS JOIN (
        SELECT
            pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax
    ) AS snapshot
),
next AS MATERIALIZED (
    SELECT
        ctid,
        transaction_id,
        coalesce(
            sum(cardinality(session_ids)) OVER (
                ORDER BY transaction_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            0
        ) AS sessions_before
    FROM outbox
    WHERE transaction_id >= (SELECT transaction_id FROM begin)
    ORDER BY transaction_id
    LIMIT $1
),
taken AS (
    DELETE FROM outbox
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM next WHERE sessions_before < $1))
    RETURNING player_ids, session_ids, written_at
),
claimed AS (
    SELECT pending.player_id, pending.session_id
    FROM taken
    CROSS JOIN LATERAL unnest(player_ids, session_ids) AS pending (player_id, session_id)
),
session AS MATERIALIZED (
    SELECT entry.*
    FROM (SELECT * FROM claimed ORDER BY player_id, session_id) AS claimed
    CROSS JOIN LATERAL (
        SELECT id, player_id, score, game_mode, submitted_at
        FROM game_session
        WHERE game_session.player_id = claimed.player_id AND game_session.id = claimed.session_id
        OFFSET 0
    ) AS entry
),
open_season AS MATERIALIZED (
    SELECT season.id, season.starts_at, season.ends_at, board.direction, board.game_mode
    FROM season
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL AND board.operator = 'sum'
),
earned AS (
    SELECT
        season.id AS season_id,
        session.player_id,
        season.direction,
        count(*) AS sessions,
        least(greatest(sum(session.score), -9007199254740991), 9007199254740991)::bigint AS score,
        max(session.submitted_at) AS reached_at,
        max(session.id) FILTER (WHERE session.score <> 0) AS session_id
    FROM session
    CROSS JOIN open_season AS season
    WHERE session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
        AND (season.game_mode IS NULL OR season.game_mode = session.game_mode)
    GROUP BY season.id, season.direction, session.player_id
),
folded AS (
    INSERT INTO standing AS old
        (season_id, player_id, score, sort_score, sessions, reached_at, session_id)
    SELECT
        season_id,
        player_id,
        score,
        CASE direction WHEN 'high' THEN -score ELSE score END,
        sessions,
        reached_at,
        session_id
    FROM earned
    ORDER BY season_id, player_id
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = least(
            greatest(old.score + excluded.score, -9007199254740991), 9007199254740991
        ),
        sort_score = least(
            greatest(old.sort_score + excluded.sort_score, -9007199254740991), 9007199254740991
        ),
        sessions = old.sessions + excluded.sessions,
        reached_at = greatest(old.reached_at, excluded.reached_at),
        session_id = greatest(old.session_id, excluded.session_id)
    -- A row that this statement inserted has no deleting transaction.
    RETURNING season_id, player_id, sort_score, xmax = 0 AS is_new
)
SELECT
    claim.sessions,
    claim.outbox_from,
    age.*,
    change.*
FROM (
    SELECT
        (SELECT count(*) FROM claimed) AS sessions,
        least(
            begin.xmin,
            (SELECT min(transaction_id) FROM next WHERE sessions_before >= $1),
            (SELECT max(transaction_id) FROM next HAVING count(*) >= $1)
        ) AS outbox_from
    FROM begin
) AS claim
CROSS JOIN (
    SELECT
        coalesce(array_agg(age_ms), '{}') AS ages_ms,
        coalesce(array_agg(sessions), '{}') AS sessions_of_age
    FROM (
        SELECT
            ceil(1000 * extract(epoch FROM statement_timestamp() - written_at))::bigint AS age_ms,
            sum(cardinality(session_ids))::bigint AS sessions
        FROM taken
        GROUP BY age_ms
    ) AS counted
) AS age
LEFT JOIN (
    SELECT
        season_id,
        string_agg(
            int8send(player_id) || int8send(sort_score), ''::bytea ORDER BY sort_score
        ) AS packed,
        coalesce(array_agg(player_id) FILTER (WHERE is_new), '{}') AS new_player_ids
    FROM folded
    GROUP BY season_id
) AS change ON true
