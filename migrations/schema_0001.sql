-- The schema of Leaderboard.
--
-- The ledger (game_session) is the only truth; standings, stored ranks and everything in Redis are
-- derived from it and can be derived again. All times are UTC.
--
-- A score, a total and a bound lie within ±(2^53 - 1): there JSON and Redis, which know doubles only,
-- are exact.
--
-- Until the first release this file is edited. Its statements make the name under which Piccolo notes
-- that it was run, so a database made by an earlier edition is recognised and refused.

-- Finds a part of a name. A trusted extension: whoever may create schemas in the database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Who scores. Never deleted: the ledger refers to it for ever.
CREATE TABLE player (
    id bigserial PRIMARY KEY,
    -- Unique: the name is how a person is found, and no two may pass for each other.
    -- In NFC, so that letters which look the same are the same.
    username varchar(255) NOT NULL UNIQUE,
    -- The caller's own id. Unique: a player can be named by it in place of the id.
    external_id varchar(128) UNIQUE,
    joined_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- `hidden`: on no board for others, as if on each for the player's own eyes. `banned`: on no board, and
    -- submits are refused.
    state varchar(10) NOT NULL DEFAULT 'active',
    -- When the player becomes active again; null: not by itself.
    state_until timestamptz,
    -- Name and external id are gone for good, and nobody plays as this player any more.
    deleted_at timestamptz,
    -- An empty name is a caller's missing variable, and would be the first to take it.
    CONSTRAINT player_username_not_empty CHECK (username <> ''),
    CONSTRAINT player_external_id_not_empty CHECK (external_id <> ''),
    -- Statements branch on these words.
    CONSTRAINT player_state_known CHECK (state IN ('active', 'hidden', 'banned')),
    CONSTRAINT player_state_until_of_a_state CHECK (state_until IS NULL OR state <> 'active')
);
-- Who stands on no board: asked for each pending session, and nearly always empty.
CREATE INDEX player_not_standing ON player (id) WHERE state <> 'active';
-- Whose state ends next.
CREATE INDEX player_state_until ON player (state_until) WHERE state_until IS NOT NULL;
-- Names that begin with some letters, whatever the case, in the order of the code points. The collation
-- is PostgreSQL's own, so that no other version of a library folds the letters differently.
CREATE INDEX player_name_start ON player (lower(username COLLATE pg_c_utf8))
    WHERE deleted_at IS NULL;
-- Names with some letters anywhere in them.
CREATE INDEX player_name_part ON player USING gin (lower(username COLLATE pg_c_utf8) gin_trgm_ops);

-- How sessions become scores and scores become ranks. Rows never change, so that a season keeps the
-- rule that it was opened with: another rule is another row.
CREATE TABLE rule (
    id bigserial PRIMARY KEY,
    operator varchar(10) NOT NULL DEFAULT 'sum',
    direction varchar(10) NOT NULL DEFAULT 'high',
    ties varchar(10) NOT NULL DEFAULT 'shared',
    -- Null: sessions of every mode count.
    game_mode varchar(50),
    -- Null: no bound.
    min_score bigint,
    max_score bigint,
    -- How a score is written: `integer`, `decimal:1` to `decimal:6`, `duration:ms` or `duration:s`.
    score_format varchar(16) NOT NULL DEFAULT 'integer',
    -- Five fields of cron in the time of an IANA zone; null: a season ends when somebody closes it.
    cron varchar(100),
    timezone varchar(64),
    -- Statements branch on these words; any other would count as none of them.
    CONSTRAINT rule_operator_known CHECK (operator IN ('sum', 'best', 'latest')),
    CONSTRAINT rule_direction_known CHECK (direction IN ('high', 'low')),
    CONSTRAINT rule_ties_known CHECK (ties IN ('shared', 'first')),
    -- Otherwise no score could ever count.
    CONSTRAINT rule_bounds_ordered CHECK (min_score <= max_score),
    CONSTRAINT rule_bounds_exact CHECK (
        min_score BETWEEN -9007199254740991 AND 9007199254740991
        AND max_score BETWEEN -9007199254740991 AND 9007199254740991
    ),
    -- A time of day is one only in a zone.
    CONSTRAINT rule_cron_in_a_zone CHECK ((cron IS NULL) = (timezone IS NULL))
);

-- A view over the ledger: sessions are not a board's, they count on each board whose rule they meet.
CREATE TABLE board (
    id bigserial PRIMARY KEY,
    -- Unique: it is the board's address.
    slug varchar(64) NOT NULL UNIQUE,
    title varchar(255) NOT NULL,
    -- The rule of its next season. The one that is open may still have another.
    rule_id bigint NOT NULL REFERENCES rule ON DELETE RESTRICT ON UPDATE RESTRICT,
    -- Counts changes, so that two who change a board at once do not undo each other's (`If-Match`).
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- Counts nothing since then.
    archived_at timestamptz
);

-- One period of a board. The next one is there before it begins, so that no score falls between them;
-- a board without a schedule has one that stays open.
CREATE TABLE season (
    id bigserial PRIMARY KEY,
    board_id bigint NOT NULL REFERENCES board ON DELETE RESTRICT ON UPDATE RESTRICT,
    -- From 1. Below 0 for one that is built to replace the season of the number without the sign.
    number integer NOT NULL,
    rule_id bigint NOT NULL REFERENCES rule ON DELETE RESTRICT ON UPDATE RESTRICT,
    -- Half open: a session at ends_at belongs to the next season.
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    -- From when on no fold changes it: every session of it is counted, and its ranks can be stored. A
    -- correction moves it on. What moderators did later its standings do not show.
    sealed_at timestamptz,
    -- The newest session that there was shortly before that, when folds began to leave out all after it, or
    -- when its board was archived before; null while neither is so. One of that season with a higher id came
    -- too late.
    last_session_id bigint,
    -- After the first of these and up to the second are the sessions that it lacks, because its board was in
    -- the archive when they were folded; they count in the season that is built to replace it.
    missed_after bigint,
    missed_until bigint,
    closed_at timestamptz,
    -- Redis may still hold its index, which goes once it is closed.
    has_index boolean NOT NULL DEFAULT true,
    -- Counts how often the result was corrected after its close.
    revision integer NOT NULL DEFAULT 1,
    -- While sessions that are in the ledger already are being counted, in the order of their players:
    -- the player with whom that goes on. Folds count for the players before. Nobody may read it yet.
    fill_from_player bigint,
    -- A board has one season of a number. Also finds the seasons of a board, newest last.
    CONSTRAINT season_board_number UNIQUE (board_id, number),
    CONSTRAINT season_ends_after_its_start CHECK (starts_at <= ends_at),
    CONSTRAINT season_sealed_before_closed CHECK (closed_at IS NULL OR sealed_at IS NOT NULL)
);
-- Those that folds and the timer look at, however many were closed.
CREATE INDEX season_open ON season (id) WHERE closed_at IS NULL;
CREATE INDEX season_closed_index ON season (id) WHERE closed_at IS NOT NULL AND has_index;

-- What the last refresh of each season made of it, one row a season.
--
-- Apart, because every refresh changes it, twenty times a second, and under a long snapshot (a dump, an
-- audit) each row that was changed stays: by the number, which only grows, the newest one is found
-- first, whatever is dead before it. Statements that read the table otherwise would read all of that.
CREATE TABLE season_refresh (
    season_id bigint NOT NULL REFERENCES season ON DELETE CASCADE ON UPDATE CASCADE,
    -- Of the last refresh that changed the season: what its index in Redis must have reached.
    number bigint NOT NULL DEFAULT 0,
    -- Drawn by that refresh. A standby that is promoted may lack the last refreshes and count the same
    -- numbers again: by this its own are told from theirs.
    token bigint NOT NULL DEFAULT 0,
    -- How many stand in it, counted by the folds; counting them for each answer would be a scan.
    players bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (season_id, number)
);

-- Seasons with what the last refresh made of them.
CREATE VIEW season_with_refresh AS
SELECT season.*, latest.players, latest.number AS last_refresh, latest.token AS refresh_token
FROM season
CROSS JOIN LATERAL (
    SELECT players, number, token
    FROM season_refresh
    WHERE season_refresh.season_id = season.id
    ORDER BY season_refresh.number DESC
    LIMIT 1
) AS latest;

-- Seasons that were replaced by a recount, with standings and an index still to be deleted.
CREATE TABLE dropped_season (
    season_id bigint PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- The newest end of a season that is being closed or was: no session may be dated before it any more.
CREATE TABLE ledger_clock (
    id smallint PRIMARY KEY DEFAULT 1,
    closed_until timestamptz NOT NULL,
    CONSTRAINT ledger_clock_single_row CHECK (id = 1)
);

-- The ledger's time, for looking: the clock, wherever it is set to, but never in a season that is over.
CREATE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE
RETURN (SELECT greatest(clock_timestamp(), closed_until) FROM ledger_clock);

-- The ledger's time, for writing sessions of that time in this transaction.
--
-- Its shared lock shows, in pg_locks, that the transaction may still write. The lock comes first, and
-- what is read after it is read anew: a transaction that took its time before closed_until was moved
-- on held the lock then. So whoever moved it on has only to wait for those who hold the lock at that
-- moment, and no session of before can come after.
CREATE FUNCTION ledger_time() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7810756212687201383);
    RETURN (SELECT greatest(clock_timestamp(), closed_until) FROM ledger_clock);
END
$$;

-- The ledger: one row a submitted score, which never changes.
--
-- Every unique index contains player_id, so that the table can be partitioned by it one day.
CREATE TABLE game_session (
    id bigserial,
    player_id bigint NOT NULL REFERENCES player ON DELETE RESTRICT ON UPDATE RESTRICT,
    score bigint NOT NULL,
    game_mode varchar(50) NOT NULL DEFAULT 'solo',
    -- The ledger's time (ledger_time above), which decides the season.
    submitted_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    idempotency_key varchar(255),
    -- What the game keeps with it: a replay, a car, a loadout.
    metadata jsonb,
    -- Counts nowhere since then. The score itself stays for ever.
    revoked_at timestamptz,
    -- Probed by the fold for each pending session, and read along for "this player's sessions, in
    -- order". Ids come from one sequence and nowhere else, which makes them unique by themselves.
    PRIMARY KEY (player_id, id),
    CONSTRAINT game_session_score_exact
        CHECK (score BETWEEN -9007199254740991 AND 9007199254740991)
);
-- A key makes at most one session of a player, however many retries race. Most have none, so they
-- are left out.
CREATE UNIQUE INDEX game_session_player_id_idempotency_key
    ON game_session (player_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Sessions by id alone: one, or those after one. Ids rise with the place in the table, so it is enough
-- to know each run of pages' lowest and highest; a B-tree would cost every insert an entry. Runs that
-- are full are summed up at once: one that is not is read in any case.
CREATE INDEX game_session_id ON game_session USING brin (id)
    WITH (pages_per_range = 64, autosummarize = on);

-- The highest id that a session may have by now, be it of one that came to nothing; 0 before the first.
CREATE FUNCTION highest_session_id() RETURNS bigint LANGUAGE sql VOLATILE
RETURN (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM game_session_id_seq);

-- The outbox: what no refresh has folded yet, written in the transaction of the sessions. A row holds
-- up to 256 sessions of one commit, so that a commit adds one row, and a snapshot that is held for an
-- hour pins one dead row a commit.
--
-- Folds claim by transaction_id from latest_refresh.outbox_from on: all before it is folded, and its
-- dead rows, which may be millions, are not looked at again. Vacuum cuts the empty end of the file off
-- where that makes nobody wait. For that it must clean the index every time (vacuum_index_cleanup): by
-- default it skips that for a few dead rows, and those keep the file as long as a snapshot had made it.
CREATE TABLE outbox (
    -- xid8, as a number that every driver knows: it rises with the transactions and does not wrap.
    transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    player_ids bigint[] NOT NULL,
    session_ids bigint[] NOT NULL,
    -- From here on a session's freshness counts; its own time may be years before, of an import.
    written_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT outbox_one_player_a_session CHECK (cardinality(player_ids) = cardinality(session_ids))
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_index_cleanup = on
);
-- Read once, soon, and by the fold alone: compression would cost more than it saves.
ALTER TABLE outbox
    ALTER COLUMN player_ids SET STORAGE PLAIN, ALTER COLUMN session_ids SET STORAGE PLAIN;
-- The order of claims; a new row goes to its end.
CREATE INDEX outbox_transaction_id ON outbox (transaction_id);
-- Without a key, DELETE would fail, and every fold with it, once somebody publishes all tables.
ALTER TABLE outbox REPLICA IDENTITY FULL;

-- Players whose standings are to be made again from the ledger, because other sessions of theirs count
-- than before, or because of a new name. Written in the transaction of that change, and a row for each
-- of them: one that was not committed yet when the standings were made must not be forgotten.
CREATE TABLE changed_player (
    id bigserial PRIMARY KEY,
    player_id bigint NOT NULL,
    -- As in the outbox: by it reads know whether they follow.
    transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);

-- Players who were deleted while a submit of theirs may have been under way: it found the player before, and
-- what it commits later has to be erased as well. They stay here until nobody is left who may do so.
CREATE TABLE forgotten_player (
    player_id bigint PRIMARY KEY,
    -- Who may: transactions by their virtual ids; null until somebody has looked.
    transactions text[]
);

-- What moderators did, and what ended by itself. The names in it go when their player is deleted.
CREATE TABLE moderation_log (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- Whose key it was; null where none was needed, on the terminal, and for what ended by itself.
    key_name varchar(64),
    action varchar(20) NOT NULL,
    player_id bigint,
    session_id bigint,
    season_id bigint,
    reason varchar(1000),
    -- What was before and after, by action.
    details jsonb NOT NULL DEFAULT '{}'
);
-- What was done about a player: read for the names that are to be erased, when that player is deleted.
CREATE INDEX moderation_log_player_id ON moderation_log (player_id) WHERE player_id IS NOT NULL;

-- The outbox a session a row, to be read.
CREATE VIEW pending_session AS
SELECT pending.player_id, pending.session_id
FROM outbox
CROSS JOIN LATERAL unnest(player_ids, session_ids) AS pending (player_id, session_id);

-- One player's score in one season, derived from the ledger; no foreign keys, which it has.
CREATE TABLE standing (
    season_id bigint NOT NULL,
    player_id bigint NOT NULL,
    score bigint NOT NULL,
    -- The score in the board's order: less is better, in every season.
    sort_score bigint NOT NULL,
    -- Which of equal scores is before the other: less is better. 0 where ties share a rank.
    tie_key bigint NOT NULL DEFAULT 0,
    -- Of how many sessions a sum is; null where one session makes the score.
    sessions bigint,
    reached_at timestamptz NOT NULL,
    -- The session that made it; of a sum the last that changed it, null where all were of 0 points.
    session_id bigint,
    -- The sum itself, while it lies beyond ±(2^53 - 1) and `score` stays at that limit: so it comes
    -- back as it should, whatever the order of folding. Null everywhere else.
    exact_total numeric,
    -- A player stands once in a season. Probed by folds, and by reads without Redis.
    PRIMARY KEY (season_id, player_id),
    CONSTRAINT standing_score_exact
        CHECK (score BETWEEN -9007199254740991 AND 9007199254740991),
    -- Two columns for one fact must not come apart.
    CONSTRAINT standing_exact_total_beyond_score CHECK (
        abs(exact_total) > 9007199254740991 AND score = sign(exact_total) * 9007199254740991
    ),
    CONSTRAINT standing_sort_score_is_score CHECK (abs(sort_score) = abs(score)),
    -- Who has no session does not stand.
    CONSTRAINT standing_sessions_positive CHECK (sessions > 0)
) WITH (
    -- Room for a few new versions in each page.
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
-- The order of a season: read from its start for the top, from a player's place for the neighbours, and
-- as a whole for the index.
CREATE INDEX standing_season_id_order
    ON standing (season_id, sort_score, tie_key, player_id);

-- Stored ranks, a row a block of 256 player ids. One good score moves everybody below it, so a re-rank
-- changes nearly every rank: in a row a player that is a new version of the whole table each time,
-- so it is one of a few megabytes, and the folds have the standings to themselves.
CREATE TABLE rank_block (
    season_id bigint NOT NULL,
    -- The player id without its last 8 bits, which are in `players`.
    block bigint NOT NULL,
    players smallint[] NOT NULL,
    ranks integer[] NOT NULL,
    PRIMARY KEY (season_id, block),
    CONSTRAINT rank_block_one_rank_a_player CHECK (cardinality(players) = cardinality(ranks))
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);
-- Unpacked for each read; compression would cost more than it saves.
ALTER TABLE rank_block ALTER COLUMN players SET STORAGE PLAIN, ALTER COLUMN ranks SET STORAGE MAIN;

-- Every 250th standing of a season as of its last re-rank, with how many stand before it. From the
-- nearest one a place anywhere in the season is found by counting about as many standings, where
-- counting from the first would take a third of a second among a million.
CREATE TABLE milestone (
    season_id bigint NOT NULL,
    position bigint NOT NULL,
    sort_score bigint NOT NULL,
    tie_key bigint NOT NULL,
    player_id bigint NOT NULL,
    -- Finds the beginning of a page.
    PRIMARY KEY (season_id, position)
);
-- Finds the place of a player or of a score. Not unique: a re-rank stores them some at a time, while
-- standings move.
CREATE INDEX milestone_season_id_order ON milestone (season_id, sort_score, tie_key, player_id);

-- How far a re-rank is with each season that is too large to be ranked at once: first slice by slice
-- in the order of the scores, then part by part of the player ids, where a part is 2^20 of them. It is
-- derived and can be begun again, so neither table is in the write-ahead log.
CREATE UNLOGGED TABLE rerank_progress (
    season_id bigint PRIMARY KEY,
    -- The database's when it began, and the number of the refresh whose standings the ranks will show.
    epoch uuid NOT NULL,
    number bigint NOT NULL,
    slice integer NOT NULL DEFAULT 0,
    -- The last standing that was ranked, its rank, and how many were by then.
    sort_score bigint NOT NULL DEFAULT -9223372036854775808,
    tie_key bigint NOT NULL DEFAULT 0,
    player_id bigint NOT NULL DEFAULT 0,
    rank bigint NOT NULL DEFAULT 0,
    ranked bigint NOT NULL DEFAULT 0,
    -- The last part that was stored; -1 when there is none yet, null until all are ranked.
    part bigint,
    stored_ranks bigint NOT NULL DEFAULT 0,
    worked_ms double precision NOT NULL DEFAULT 0.0,
    is_done boolean NOT NULL DEFAULT false
);

-- The ranks of one slice in one part, until that part is stored.
CREATE UNLOGGED TABLE rank_slice (
    season_id bigint NOT NULL,
    part bigint NOT NULL,
    slice integer NOT NULL,
    -- The last 20 bits of each id.
    players integer[] NOT NULL,
    ranks integer[] NOT NULL,
    PRIMARY KEY (season_id, part, slice)
);
ALTER TABLE rank_slice
    ALTER COLUMN players SET STORAGE EXTERNAL, ALTER COLUMN ranks SET STORAGE EXTERNAL;

-- The last refresh, in the one row that there is; a table of its own, and read by its number, for the same
-- reason as season_refresh.
CREATE TABLE latest_refresh (
    number bigint PRIMARY KEY DEFAULT 0,
    refreshed_at timestamptz,
    refresh_ms double precision,
    refresh_sessions integer,
    -- The outbox has nothing left of transactions before this one.
    outbox_from bigint NOT NULL DEFAULT 0,
    -- The latest time of a session that was folded.
    latest_session_at timestamptz
);

-- What else there is to know of the database, in one row.
CREATE TABLE database_state (
    id smallint PRIMARY KEY DEFAULT 1,
    -- New with each database, so that an index which followed another one is known.
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Why the last refresh failed or was not published; null where it was.
    refresh_problem text,
    reranked_at timestamptz,
    rerank_ms double precision,
    rerank_rows bigint,
    -- Number of the refresh that the stored ranks show.
    rerank_number bigint NOT NULL DEFAULT 0,
    -- Up to here every board has its seasons; null: for ever. No fold takes a session of later, which
    -- would not be counted.
    seasons_until timestamptz,
    -- Statements join this table without a condition.
    CONSTRAINT database_state_single_row CHECK (id = 1)
);

-- How far refreshes and re-ranks have come, in one row.
CREATE VIEW refresh_state AS
SELECT *
FROM database_state
CROSS JOIN (SELECT * FROM latest_refresh ORDER BY number DESC LIMIT 1) AS latest;

-- The seasons that have an index, and the number and token of the refresh that the index of each must
-- have reached.
CREATE VIEW indexed_season AS
SELECT
    season.id AS season_id,
    board.slug,
    season.number AS season_number,
    season.players,
    season.last_refresh,
    season.refresh_token,
    rule.ties = 'first' AS is_first,
    season.sealed_at IS NOT NULL AS is_sealed,
    board.slug = 'global' AS is_global,
    refresh_state.*
FROM season_with_refresh AS season
JOIN board ON board.id = season.board_id
JOIN rule ON rule.id = season.rule_id
CROSS JOIN refresh_state
WHERE season.closed_at IS NULL AND season.fill_from_player IS NULL;

-- Who may call. Never deleted: that a key was once made closes the service for good.
CREATE TABLE api_key (
    id bigserial PRIMARY KEY,
    -- Unique: a key is revoked by its name.
    name varchar(64) NOT NULL UNIQUE,
    role varchar(16) NOT NULL,
    -- SHA-256 of the key, which nobody keeps. Unique: one key has one role.
    digest bytea NOT NULL UNIQUE,
    -- Its last characters, by which its owner knows it.
    hint varchar(8) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    revoked_at timestamptz
);

-- The seasons whose standings the ledger makes at every moment. Folds also count what was pending when a
-- board was archived, and nothing else of it.
CREATE VIEW counting_season AS
SELECT season.id, season.board_id, season.rule_id
FROM season
JOIN board ON board.id = season.board_id
WHERE season.closed_at IS NULL
    AND season.sealed_at IS NULL
    AND season.fill_from_player IS NULL
    AND season.missed_after IS NULL
    AND board.archived_at IS NULL;

-- Which sessions are of which season: in its time, of its mode and within its bounds.
--
-- pick_key, then pick_id, is the order in which the operator wants a player's sessions: the first one
-- makes the standing. A sum is made by all of them, and has the newest first. Times go by their
-- microseconds, where ~ turns the order around.
CREATE VIEW season_session AS
SELECT
    season.id AS season_id,
    season.sealed_at,
    season.last_session_id,
    session.player_id,
    session.id,
    session.score,
    signed.sort_score,
    session.submitted_at,
    session.revoked_at,
    CASE rule.operator
        WHEN 'best' THEN signed.sort_score
        WHEN 'latest' THEN ~timestamptz_send(session.submitted_at)::bigint
    END AS pick_key,
    CASE rule.operator WHEN 'best' THEN session.id ELSE -session.id END AS pick_id
FROM season
JOIN rule ON rule.id = season.rule_id
JOIN game_session AS session
    ON session.submitted_at >= season.starts_at
    AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
    AND (rule.game_mode IS NULL OR rule.game_mode = session.game_mode)
    AND (rule.min_score IS NULL OR rule.min_score <= session.score)
    AND (rule.max_score IS NULL OR rule.max_score >= session.score)
CROSS JOIN LATERAL (
    SELECT CASE rule.direction WHEN 'high' THEN -session.score ELSE session.score END AS sort_score
) AS signed;

-- Those of them that count: all but the revoked. The same rule as in fold_sessions.sql, whatever is folded
-- yet and whether the player may stand.
CREATE VIEW counted_session AS SELECT * FROM season_session WHERE revoked_at IS NULL;

-- Those of them that have left the outbox. A season that is sealed does not wait for that, since no fold
-- changes it: there it is all that did not come too late.
CREATE VIEW folded_session AS
SELECT *
FROM counted_session AS counted
WHERE (counted.last_session_id IS NULL OR counted.id <= counted.last_session_id)
    AND NOT EXISTS (
        SELECT FROM pending_session AS pending
        WHERE pending.player_id = counted.player_id
            AND pending.session_id = counted.id
            AND counted.sealed_at IS NULL
    );

-- What moderators did to sessions, one by one; ids rise with the acts.
CREATE VIEW session_mark AS
SELECT
    log.id,
    log.at,
    log.player_id,
    marked.session_id,
    log.action IN ('revoke', 'revoke_many') AS is_revoked
FROM moderation_log AS log
CROSS JOIN LATERAL (
    SELECT log.session_id
    UNION ALL
    SELECT jsonb_array_elements_text(log.details -> 'session_ids')::bigint
) AS marked (session_id)
WHERE log.action IN ('revoke', 'restore', 'revoke_many', 'restore_many')
    AND marked.session_id IS NOT NULL;

-- The sessions of a player that count in the standings of a season as they are stored. Where no later act
-- changes these any more, because the season is sealed or its board in the archive, that is what counted
-- then: a session is taken as it was before the first thing that was done to it since.
--
-- Index: game_session_pkey, moderation_log_player_id: the sessions of this player, and the acts.
CREATE FUNCTION stored_sessions(of_season bigint, of_player bigint)
RETURNS TABLE (
    id bigint, score bigint, submitted_at timestamptz, pick_key bigint, pick_id bigint
) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT
        session.id,
        session.score,
        session.submitted_at,
        session.pick_key,
        session.pick_id
    FROM season_session AS session
    LEFT JOIN (
        SELECT DISTINCT ON (mark.session_id) mark.session_id, mark.is_revoked
        FROM session_mark AS mark
        WHERE mark.player_id = of_player
            AND mark.at >= (
                SELECT coalesce(season.sealed_at, board.archived_at)
                FROM season
                JOIN board ON board.id = season.board_id
                WHERE season.id = of_season
            )
        ORDER BY mark.session_id, mark.id
    ) AS since ON since.session_id = session.id
    WHERE session.season_id = of_season
        AND session.player_id = of_player
        AND (session.last_session_id IS NULL OR session.id <= session.last_session_id)
        AND coalesce(since.is_revoked, session.revoked_at IS NULL);
END;

-- Every session counts exactly once, as a query: what the ledger says of each season. At every moment the
-- standings of counting_season are these rows, but for those of changed_player. A session counts here
-- once it has left the outbox, in a season that is sealed at once; players who are hidden or banned do not
-- stand.
--
-- One grouping a season, because grouping by season as well makes PostgreSQL sort the ledger where
-- it can hash the players. A condition on player_id reaches game_session_pkey. The columns are those of
-- standing, in their order: whole rows are compared.
CREATE VIEW ledger_standing AS
SELECT
    season.id AS season_id,
    made.player_id,
    made.score,
    CASE rule.direction WHEN 'high' THEN -made.score ELSE made.score END AS sort_score,
    CASE rule.ties WHEN 'first' THEN coalesce(made.session_id, made.first_id) ELSE 0 END AS tie_key,
    made.sessions,
    made.reached_at,
    made.session_id,
    made.exact_total
FROM season
JOIN rule ON rule.id = season.rule_id
CROSS JOIN LATERAL (
    SELECT
        counted.player_id,
        least(greatest(sum(counted.score), -9007199254740991), 9007199254740991)::bigint AS score,
        count(*) AS sessions,
        max(counted.submitted_at) AS reached_at,
        max(counted.id) FILTER (WHERE counted.score <> 0) AS session_id,
        min(counted.id) AS first_id,
        CASE WHEN abs(sum(counted.score)) > 9007199254740991 THEN sum(counted.score) END AS exact_total
    FROM folded_session AS counted
    WHERE counted.season_id = season.id
        AND rule.operator = 'sum'
    GROUP BY counted.player_id
    UNION ALL
    (
        SELECT DISTINCT ON (counted.player_id)
            counted.player_id,
            counted.score,
            NULL,
            counted.submitted_at,
            counted.id,
            NULL,
            NULL
        FROM folded_session AS counted
        WHERE counted.season_id = season.id
            AND rule.operator <> 'sum'
        ORDER BY counted.player_id, counted.pick_key, counted.pick_id
    )
) AS made
WHERE NOT EXISTS (
    SELECT FROM player WHERE player.id = made.player_id AND player.state <> 'active'
);

-- What a player's sessions come to in a season, folded or not: a row for each player and season, without
-- a score where none counts. That is so for who is banned, and in a season that counts nothing new any
-- more, where those that are not counted never will be. But a player who is hidden is told of such a
-- one as if those that were not too late had been counted there.
--
-- For reads of one player: conditions on both ids reach game_session_pkey.
CREATE VIEW expected_standing AS
SELECT
    season.id AS season_id,
    season.closed_at,
    player.id AS player_id,
    player.username,
    player.state,
    made.score,
    CASE rule.direction WHEN 'high' THEN -made.score ELSE made.score END AS sort_score,
    CASE rule.ties WHEN 'first' THEN coalesce(made.session_id, made.first_id) ELSE 0 END AS tie_key,
    made.reached_at,
    made.session_id,
    made.saturated
FROM player
CROSS JOIN season
JOIN rule ON rule.id = season.rule_id
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN rule.operator <> 'sum' THEN (array_agg(score ORDER BY pick_key, pick_id))[1]
            WHEN count(*) > 0
            THEN least(greatest(sum(score), -9007199254740991), 9007199254740991)::bigint
        END AS score,
        coalesce(rule.operator = 'sum' AND abs(sum(score)) > 9007199254740991, false) AS saturated,
        min(id) AS first_id,
        (
            array_agg(id ORDER BY pick_key, pick_id)
            FILTER (WHERE score <> 0 OR rule.operator <> 'sum')
        )[1] AS session_id,
        coalesce(
            (
                array_agg(submitted_at ORDER BY pick_key, pick_id)
                FILTER (WHERE score <> 0 OR rule.operator <> 'sum')
            )[1],
            max(submitted_at)
        ) AS reached_at
    FROM counted_session
    WHERE counted_session.season_id = season.id
        AND counted_session.player_id = player.id
        AND player.state <> 'banned'
        AND (season.last_session_id IS NULL OR counted_session.id <= season.last_session_id)
        AND (
            season.id IN (SELECT id FROM counting_season)
            OR player.state = 'hidden' AND season.last_session_id IS NOT NULL
        )
) AS made;

-- For reports: every standing with the rank that the last re-rank stored, null before its first.
CREATE VIEW ranked_standing AS
SELECT
    season_id,
    player_id,
    score,
    sort_score,
    tie_key,
    sessions,
    reached_at,
    session_id,
    exact_total,
    (
        SELECT ranks[array_position(players, (standing.player_id & 255)::smallint)]
        FROM rank_block
        WHERE rank_block.season_id = standing.season_id
            AND rank_block.block = standing.player_id >> 8
    )::bigint AS rank
FROM standing;

INSERT INTO database_state DEFAULT VALUES;
INSERT INTO latest_refresh DEFAULT VALUES;
INSERT INTO ledger_clock (closed_until) VALUES ('-infinity');

-- The board that always exists, with its one season, which holds every session.
WITH sum AS (
    INSERT INTO rule DEFAULT VALUES RETURNING id
),
global AS (
    INSERT INTO board (slug, title, rule_id) SELECT 'global', 'Global', id FROM sum RETURNING id, rule_id
),
first AS (
    INSERT INTO season (board_id, number, rule_id, starts_at)
    SELECT id, 1, rule_id, '-infinity' FROM global
    RETURNING id
)
INSERT INTO season_refresh (season_id) SELECT id FROM first;
