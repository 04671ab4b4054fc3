-- Makes players as they were elsewhere. $1 usernames, $2 external ids (null: none), $3 user ids (null: a
-- new one), $4 times of joining (null: now), $5 states, $6 until when (null: for good); one array element
-- a player.
--
-- Answers a row for each player who is new, in no order: none for a line whose name, external id or
-- id a player has, also one of an earlier line. Who has the name of one who was deleted is deleted here,
-- too. Locks: the caller has taken that of lock_players.sql.
INSERT INTO player (id, username, external_id, joined_at, state, state_until, deleted_at)
SELECT
    coalesce(user_id, nextval('player_id_seq')),
    username,
    external_id,
    coalesce(joined_at, now()),
    state,
    state_until,
    CASE WHEN username = 'deleted-' || user_id THEN now() END
FROM unnest(
    $1::varchar[], $2::varchar[], $3::bigint[], $4::timestamptz[], $5::varchar[], $6::timestamptz[]
) WITH ORDINALITY AS given (username, external_id, user_id, joined_at, state, state_until, line)
ORDER BY line
ON CONFLICT DO NOTHING
RETURNING id AS user_id, username, external_id
