-- Takes a run of player ids out of the sequence.
--
-- $1 how many. Answers the id before the first. The caller has taken the lock of lock_players.sql,
-- so that no registration draws an id between the two calls.
SELECT setval('player_id_seq', nextval('player_id_seq') + $1 - 1) - $1
