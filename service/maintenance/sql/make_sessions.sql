-- Makes all sessions of a run of players that make_players.sql has made, the same for the same seed.
--
-- $1 to $5 as there, $6 players and $7 sessions of this call of populate; $8 their mode, null for several;
-- $9 the lowest score and $10 how far above it they reach, 5080 to leave them as they are drawn; $11 how
-- long before $5 the first may come. They leave no trace in the outbox: the caller makes the standings in
-- the same transaction.
--
-- The sessions are dealt out evenly to blocks of 1,000 players and unevenly inside a block: the
-- first x of its players, in an order that is shuffled by steps of a prime, have the share
-- (x / 0.97)^(1/4) of them. So a few play by the hundred, most a few times, and three in a hundred
-- never; and everybody's number is known without a look at anybody else.
--
-- They are written in the order of game_session_pkey. A player's sessions are spread over their time in
-- the order of their ids. Locks: the new rows.
INSERT INTO game_session (player_id, score, game_mode, submitted_at)
SELECT
    $1::bigint + place,
    -- Squares make low scores common; the factor is the player's skill. From 0 to 5080.
    $9::bigint + 5 * (1 + (skill & 3)) * ((drawn & 255) * (drawn & 255) >> 8) * $10::bigint / 5080,
    CASE
        WHEN $8::varchar IS NOT NULL THEN $8
        WHEN (drawn >> 8 & 15) < 9 THEN 'solo'
        WHEN (drawn >> 8 & 15) < 13 THEN 'duo'
        ELSE 'squad'
    END,
    $5::timestamptz
        - $11::interval * ((played - nth + (drawn >> 16 & 65535) / 65536.0) / played)
FROM generate_series($2::bigint, $3::bigint) AS place
CROSS JOIN LATERAL (
    SELECT (place - 1) / 1000 * 1000 AS block, hashint8extended(place, $4::bigint) AS skill OFFSET 0
) AS player_drawn
CROSS JOIN LATERAL (
    SELECT
        least(1000, $6::bigint - block) AS block_players,
        $7::bigint * least(block + 1000, $6::bigint) / $6::bigint - $7::bigint * block / $6::bigint
            AS block_sessions,
        hashint8extended(block, $4::bigint) & 65535 AS block_shift
    OFFSET 0
) AS block_drawn
CROSS JOIN LATERAL (
    SELECT ((place - 1 - block) * 7919 + block_shift) % block_players AS before OFFSET 0
) AS shuffled
CROSS JOIN LATERAL (
    SELECT
        floor(block_sessions * least(1, (before + 1) / (0.97 * block_players)::float8) ^ 0.25)
        - floor(block_sessions * least(1, before / (0.97 * block_players)::float8) ^ 0.25)
            AS played
    OFFSET 0
) AS dealt
CROSS JOIN LATERAL generate_series(1, played::bigint) AS nth
CROSS JOIN LATERAL (SELECT hashint8extended(nth, skill) OFFSET 0) AS dice (drawn)
