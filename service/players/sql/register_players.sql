-- Makes players. $1 usernames, $2 external ids (null: none); one array element a player.
--
-- Answers a row for each player who is new: none for a line whose name or external id a player has,
-- also one of an earlier line. In no order; a name tells to which line a row belongs, without a join
-- that could become one of each line with each other.
--
-- Whoever is there is looked for first, by scalar subqueries, which are index probes whatever the
-- statistics say: a list that is sent again draws no ids. Index: player_username_key,
-- player_external_id_key.
--
-- Locks: a name or an external id that another transaction has just taken is waited for. Callers with
-- several lines take the lock of lock_registrations.sql first, or they could wait in a circle.
INSERT INTO player (username, external_id)
SELECT username, external_id
FROM unnest($1::varchar[], $2::varchar[]) WITH ORDINALITY AS given (username, external_id, line)
WHERE (SELECT player.id FROM player WHERE player.username = given.username) IS NULL
    AND (SELECT player.id FROM player WHERE player.external_id = given.external_id) IS NULL
ORDER BY line
ON CONFLICT DO NOTHING
RETURNING id AS user_id, username, joined_at, external_id
