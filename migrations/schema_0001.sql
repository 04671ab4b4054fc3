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

-- Who scores. Never deleted: the ledger refers to it for ever.
CREATE TABLE player (
    id bigserial PRIMARY KEY,
    -- Unique: the name is how a person is found, and no two may pass for each other.
    -- In NFC, so that letters which look the same are the same.
    username varchar(255) NOT NULL UNIQUE,
    -- The caller's own id. Unique: a player can be named by it in place of the id.
    external_id varchar(128) UNIQUE,
    joined_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    banned_at timestamptz,
    -- An empty name is a caller's missing variable, and would be the first to take it.
    CONSTRAINT player_username_not_empty CHECK (username <> ''),
    CONSTRAINT player_external_id_not_empty CHECK (external_id <> '')
);

-- A ranking rule over the ledger.
CREATE TABLE board (
    id bigserial PRIMARY KEY,
    -- Unique: it is the board's address.
    slug varchar(64) NOT NULL UNIQUE,
    title varchar(255) NOT NULL,
    operator varchar(10) NOT NULL DEFAULT 'sum',
    direction varchar(10) NOT NULL DEFAULT 'high',
    -- Null: sessions of every mode count.
    game_mode varchar(50),
    -- Null: the board never resets.
    reset_schedule varchar(100),
    timezone varchar(64) NOT NULL DEFAULT 'UTC',
    -- Null: no bound.
    min_score bigint,
    max_score bigint,
    -- Statements branch on these words; any other would count as none of them.
    CONSTRAINT board_operator_known CHECK (operator IN ('sum', 'best', 'latest')),
    CONSTRAINT board_direction_known CHECK (direction IN ('high', 'low')),
    -- Otherwise no score could ever count.
    CONSTRAINT board_bounds_ordered CHECK (min_score <= max_score),
    CONSTRAINT board_bounds_exact CHECK (
        min_score BETWEEN -9007199254740991 AND 9007199254740991
        AND max_score BETWEEN -9007199254740991 AND 9007199254740991
    )
);

-- One period of a board; a board without a schedule has one that stays open.
CREATE TABLE season (
    id bigserial PRIMARY KEY,
    board_id bigint NOT NULL REFERENCES board ON DELETE RESTRICT ON UPDATE RESTRICT,
    number integer NOT NULL,
    -- Half open: a session at ends_at belongs to the next season.
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    closed_at timestamptz,
    -- How many stand in it, counted by the folds; counting them for each answer would be a scan.
    players bigint NOT NULL DEFAULT 0,
    -- Number of the last refresh that changed it: what its index in Redis must have reached.
    last_refresh bigint NOT NULL DEFAULT 0,
    -- A number drawn by that refresh. A standby that is promoted may lack the last refreshes and count
    -- the same numbers again: by this its own are told from theirs.
    refresh_token bigint NOT NULL DEFAULT 0,
    -- A board has one season of a number. Also finds the seasons of a board, newest last.
    CONSTRAINT season_board_number UNIQUE (board_id, number)
);

-- The ledger: one row a submitted score, append-only.
--
-- Every unique index contains player_id, so that the table can be partitioned by it one day.
CREATE TABLE game_session (
    id bigserial,
    player_id bigint NOT NULL REFERENCES player ON DELETE RESTRICT ON UPDATE RESTRICT,
    score bigint NOT NULL,
    game_mode varchar(50) NOT NULL DEFAULT 'solo',
    submitted_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
    idempotency_key varchar(255),
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

-- The outbox: what no refresh has folded yet, written in the transaction of the sessions. A row holds
-- up to 256 sessions of one commit, so that a commit adds one row, and a snapshot that is held for an
-- hour pins one dead row a commit.
--
-- Folds claim by transaction_id from refresh_state.outbox_from on: all before it is folded, and its
-- dead rows, which may be millions, are not looked at again. Vacuum cuts the empty end of the file off
-- where that makes nobody wait.
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
    autovacuum_vacuum_cost_delay = 0
);
-- Read once, soon, and by the fold alone: compression would cost more than it saves.
ALTER TABLE outbox
    ALTER COLUMN player_ids SET STORAGE PLAIN, ALTER COLUMN session_ids SET STORAGE PLAIN;
-- The order of claims; a new row goes to its end.
CREATE INDEX outbox_transaction_id ON outbox (transaction_id);
-- Without a key, DELETE would fail, and every fold with it, once somebody publishes all tables.
ALTER TABLE outbox REPLICA IDENTITY FULL;

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
    sessions bigint NOT NULL,
    reached_at timestamptz NOT NULL,
    -- The session that made it; of a sum the last that changed it, null where all were of 0 points.
    session_id bigint,
    -- A player stands once in a season. Probed by folds, and by reads without Redis.
    PRIMARY KEY (season_id, player_id),
    CONSTRAINT standing_score_exact
        CHECK (score BETWEEN -9007199254740991 AND 9007199254740991),
    -- Two columns for one fact must not come apart.
    CONSTRAINT standing_sort_score_is_score CHECK (abs(sort_score) = abs(score)),
    -- Who has no session does not stand.
    CONSTRAINT standing_sessions_positive CHECK (sessions > 0)
) WITH (
    -- Room for a few new versions in each page.
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
-- The order of a season, ties by player: read from its start for the top, from a player's place for
-- the neighbours, and as a whole for the index.
CREATE INDEX standing_season_id_sort_score_player_id
    ON standing (season_id, sort_score, player_id);

-- Stored ranks, a row a block of 256 player ids. One good score moves everybody below it, so a re-rank
-- changes nearly every rank: in a row a player that is a new version of the whole table each time,
-- so it is one of a few megabytes, and the folds have the standings to themselves.
CREATE TABLE rank_block (
    season_id bigint NOT NULL,
    -- The player id without its last 8 bits, which are in `players`.
    block bigint NOT NULL,
    players smallint[] NOT NULL,
    ranks integer[] NOT NULL,
    ranked_at timestamptz NOT NULL,
    PRIMARY KEY (season_id, block),
    CONSTRAINT rank_block_one_rank_a_player CHECK (cardinality(players) = cardinality(ranks))
) WITH (autovacuum_vacuum_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0);
-- Unpacked for each read; compression would cost more than it saves.
ALTER TABLE rank_block ALTER COLUMN players SET STORAGE PLAIN, ALTER COLUMN ranks SET STORAGE MAIN;

-- How far refreshes and re-ranks have come.
CREATE TABLE refresh_state (
    id smallint PRIMARY KEY DEFAULT 1,
    -- New with each database, so that an index which followed another one is known.
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    number bigint NOT NULL DEFAULT 0,
    refreshed_at timestamptz,
    refresh_ms double precision,
    refresh_sessions integer,
    reranked_at timestamptz,
    rerank_ms double precision,
    rerank_rows bigint,
    -- Number of the refresh that the stored ranks show.
    rerank_number bigint NOT NULL DEFAULT 0,
    -- The outbox has nothing left of transactions before this one.
    outbox_from bigint NOT NULL DEFAULT 0,
    -- Statements join this table without a condition.
    CONSTRAINT refresh_state_single_row CHECK (id = 1)
);

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

-- Every session counts exactly once, as a query: at every moment the standings of the open seasons are
-- these rows. A session counts here once it has left the outbox, by the rule of fold_sessions.sql.
--
-- One grouping a season, because grouping by season as well makes PostgreSQL sort the ledger where
-- it can hash the players. A condition on player_id reaches game_session_pkey.
CREATE VIEW ledger_standing AS
SELECT
    season.id AS season_id,
    earned.player_id,
    earned.score,
    CASE board.direction WHEN 'high' THEN -earned.score ELSE earned.score END AS sort_score,
    earned.sessions,
    earned.reached_at,
    earned.session_id
FROM season
JOIN board ON board.id = season.board_id
CROSS JOIN LATERAL (
    SELECT
        session.player_id,
        least(greatest(sum(session.score), -9007199254740991), 9007199254740991)::bigint AS score,
        count(*) AS sessions,
        max(session.submitted_at) AS reached_at,
        max(session.id) FILTER (WHERE session.score <> 0) AS session_id
    FROM game_session AS session
    WHERE session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
        AND (board.game_mode IS NULL OR board.game_mode = session.game_mode)
        AND NOT EXISTS (
            SELECT FROM pending_session AS pending
            WHERE pending.player_id = session.player_id AND pending.session_id = session.id
        )
    GROUP BY session.player_id
) AS earned
WHERE season.closed_at IS NULL AND board.operator = 'sum';

-- For reports: every standing with the rank that the last re-rank stored, null before its first.
CREATE VIEW ranked_standing AS
SELECT
    season_id,
    player_id,
    score,
    sort_score,
    sessions,
    reached_at,
    session_id,
    (
        SELECT ranks[array_position(players, (standing.player_id & 255)::smallint)]
        FROM rank_block
        WHERE rank_block.season_id = standing.season_id
            AND rank_block.block = standing.player_id >> 8
    )::bigint AS rank
FROM standing;

INSERT INTO refresh_state DEFAULT VALUES;

-- The board that always exists, with its one season, which holds every session.
WITH global AS (
    INSERT INTO board (slug, title) VALUES ('global', 'Global') RETURNING id
)
INSERT INTO season (board_id, number, starts_at) SELECT id, 1, '-infinity' FROM global;
