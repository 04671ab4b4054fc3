-- Folds pending sessions into the standings of every season in which they count.
--
-- $1 about how many sessions to fold at most. Answers one row a season that changed, or a single row
-- with a null season where none did: how many sessions were folded in all; what latest_refresh.outbox_from
-- becomes; the latest time of a session; how many there are of each age in ms when the statement began,
-- as two arrays, from when they were written (the time of an imported one may be long before); the
-- season's changed standings, packed for the index as in scan_standings.sql, in its order, by which
-- Redis finds their places in half the time; and the ids of the players whose standing is new.
--
-- Sessions that are revoked, and those of players who are hidden or banned, leave the outbox and count
-- nowhere; should that end, the player's standings are made again from the ledger.
--
-- Which sessions count in a season is also said by the view counted_session, and what they come to by
-- ledger_standing, in whatever order they are folded.
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
-- would lose nothing. A score stops at ±(2^53 - 1), where doubles stop being exact; the sum beyond it is
-- kept in exact_total. Sums of bigint are made wherever no such sum is there, because sums of numeric
-- take many times as long.
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
    WHERE seasons_until IS NULL OR seasons_until > ledger_now()
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
        WHERE game_session.player_id = claimed.player_id
            AND game_session.id = claimed.session_id
            AND game_session.revoked_at IS NULL
        OFFSET 0
    ) AS entry
    -- A scalar subquery, so that it stays a probe of player_not_standing, which is nearly empty.
    WHERE (
        SELECT player.id FROM player WHERE player.id = claimed.player_id AND player.state <> 'active'
    ) IS NULL
),
open_season AS MATERIALIZED (
    SELECT
        season.id AS season_id,
        season.starts_at,
        coalesce(season.ends_at, 'infinity') AS ends_at,
        -- Of a board in the archive what was there before that is still counted.
        coalesce(season.last_session_id, 9223372036854775807) AS last_session_id,
        -- Of a season that is being filled, the players from here on are counted from the ledger.
        coalesce(season.fill_from_player, 9223372036854775807) AS filled_to,
        rule.operator,
        rule.direction,
        rule.ties,
        rule.game_mode AS mode,
        coalesce(rule.min_score, -9007199254740991) AS min_score,
        coalesce(rule.max_score, 9007199254740991) AS max_score
    FROM season
    JOIN rule ON rule.id = season.rule_id
    JOIN board ON board.id = season.board_id
    WHERE season.closed_at IS NULL
        AND season.sealed_at IS NULL
        -- One that was made in the archive has no last session, and counts nothing.
        AND (board.archived_at IS NULL OR season.last_session_id >= (SELECT min(id) FROM session))
),
-- Two joins, because the boards of a mode are found by it: a thousand of them may have one each.
matched AS (
    SELECT session.*, open_season.* FROM session JOIN open_season ON mode = game_mode
    UNION ALL
    SELECT session.*, open_season.* FROM session JOIN open_season ON mode IS NULL
),
counted AS MATERIALIZED (
    SELECT
        season_id,
        operator,
        player_id,
        id,
        score,
        CASE direction WHEN 'high' THEN -score ELSE score END AS sort_score,
        CASE ties WHEN 'first' THEN id ELSE 0 END AS tie_key,
        submitted_at
    FROM matched
    WHERE submitted_at >= starts_at
        AND submitted_at < ends_at
        AND id <= last_session_id
        AND player_id < filled_to
        AND score BETWEEN min_score AND max_score
),
earned AS (
    SELECT
        season_id,
        player_id,
        count(*) AS sessions,
        sum(score) AS total,
        least(greatest(sum(score), -9007199254740991), 9007199254740991)::bigint AS score,
        least(greatest(sum(sort_score), -9007199254740991), 9007199254740991)::bigint AS sort_score,
        min(tie_key) AS first_id,
        max(submitted_at) AS reached_at,
        max(id) FILTER (WHERE score <> 0) AS session_id
    FROM counted
    WHERE operator = 'sum'
    GROUP BY season_id, player_id
),
summed AS (
    INSERT INTO standing AS old (
        season_id, player_id, score, sort_score, tie_key, sessions, reached_at, session_id, exact_total
    )
    SELECT
        season_id,
        player_id,
        score,
        sort_score,
        CASE first_id WHEN 0 THEN 0 ELSE coalesce(session_id, first_id) END,
        sessions,
        reached_at,
        session_id,
        CASE WHEN abs(total) > 9007199254740991 THEN total END
    FROM earned
    ORDER BY season_id, player_id
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = CASE
            WHEN old.exact_total IS NULL AND excluded.exact_total IS NULL
            THEN least(greatest(old.score + excluded.score, -9007199254740991), 9007199254740991)
            ELSE least(
                greatest(
                    coalesce(old.exact_total, old.score)
                    + coalesce(excluded.exact_total, excluded.score),
                    -9007199254740991
                ),
                9007199254740991
            )::bigint
        END,
        sort_score = CASE
            WHEN old.exact_total IS NULL AND excluded.exact_total IS NULL
            THEN least(
                greatest(old.sort_score + excluded.sort_score, -9007199254740991), 9007199254740991
            )
            -- Not both are 0, so they tell the direction.
            ELSE CASE
                WHEN old.sort_score = -old.score AND excluded.sort_score = -excluded.score THEN -1
                ELSE 1
            END * least(
                greatest(
                    coalesce(old.exact_total, old.score)
                    + coalesce(excluded.exact_total, excluded.score),
                    -9007199254740991
                ),
                9007199254740991
            )::bigint
        END,
        exact_total = CASE
            WHEN old.exact_total IS NULL
                AND excluded.exact_total IS NULL
                AND abs(old.score + excluded.score) <= 9007199254740991
            THEN NULL
            WHEN abs(
                coalesce(old.exact_total, old.score)
                + coalesce(excluded.exact_total, excluded.score)
            ) > 9007199254740991
            THEN coalesce(old.exact_total, old.score)
                + coalesce(excluded.exact_total, excluded.score)
        END,
        -- Without a session of more than 0 points the first one counts, otherwise the last.
        tie_key = CASE excluded.tie_key
            WHEN 0 THEN 0
            ELSE coalesce(
                greatest(old.session_id, excluded.session_id), least(old.tie_key, excluded.tie_key)
            )
        END,
        sessions = old.sessions + excluded.sessions,
        reached_at = greatest(old.reached_at, excluded.reached_at),
        session_id = greatest(old.session_id, excluded.session_id)
    -- A row that this statement inserted has no deleting transaction.
    RETURNING season_id, player_id, sort_score, tie_key, xmax = 0 AS is_new
),
-- A session that does not beat the player's best is left out here, so that it writes nothing; that a
-- score only gets better makes this right whatever another fold writes meanwhile.
improved AS (
    INSERT INTO standing AS old
        (season_id, player_id, score, sort_score, tie_key, reached_at, session_id)
    SELECT DISTINCT ON (season_id, player_id)
        season_id,
        player_id,
        score,
        sort_score,
        tie_key,
        submitted_at,
        id
    FROM counted
    WHERE operator = 'best'
        AND coalesce(
            (
                SELECT (counted.sort_score, counted.id) < (standing.sort_score, standing.session_id)
                FROM standing
                WHERE standing.season_id = counted.season_id
                    AND standing.player_id = counted.player_id
            ),
            true
        )
    ORDER BY season_id, player_id, sort_score, id
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = excluded.score,
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        reached_at = excluded.reached_at,
        session_id = excluded.session_id
    WHERE (excluded.sort_score, excluded.session_id) < (old.sort_score, old.session_id)
    RETURNING season_id, player_id, sort_score, tie_key, xmax = 0 AS is_new
),
replaced AS (
    INSERT INTO standing AS old
        (season_id, player_id, score, sort_score, tie_key, reached_at, session_id)
    SELECT DISTINCT ON (season_id, player_id)
        season_id,
        player_id,
        score,
        sort_score,
        tie_key,
        submitted_at,
        id
    FROM counted
    WHERE operator = 'latest'
    ORDER BY season_id, player_id, submitted_at DESC, id DESC
    ON CONFLICT (season_id, player_id) DO UPDATE SET
        score = excluded.score,
        sort_score = excluded.sort_score,
        tie_key = excluded.tie_key,
        reached_at = excluded.reached_at,
        session_id = excluded.session_id
    WHERE (excluded.reached_at, excluded.session_id) > (old.reached_at, old.session_id)
    RETURNING season_id, player_id, sort_score, tie_key, xmax = 0 AS is_new
),
folded AS (
    SELECT * FROM summed
    UNION ALL
    SELECT * FROM improved
    UNION ALL
    SELECT * FROM replaced
)
SELECT
    claim.sessions,
    claim.latest_at,
    claim.outbox_from,
    age.*,
    change.*
FROM (
    SELECT
        (SELECT count(*) FROM claimed) AS sessions,
        (SELECT max(submitted_at) FROM session) AS latest_at,
        least(
            begin.xmin,
            (SELECT min(transaction_id) FROM next WHERE sessions_before >= $1),
            (SELECT max(transaction_id) FROM next HAVING count(*) >= $1)
        ) AS outbox_from
    -- One row also where nothing may be claimed, because some board has no season of this moment yet.
    FROM (SELECT) AS always
    LEFT JOIN begin ON true
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
            CASE tie_key WHEN 0 THEN ''::bytea ELSE int8send(tie_key) END
            || int8send(player_id) || int8send(sort_score),
            ''::bytea
            ORDER BY sort_score
        ) AS packed,
        coalesce(array_agg(player_id) FILTER (WHERE is_new), '{}') AS new_player_ids
    FROM folded
    GROUP BY season_id
) AS change ON true
