-- The names of some players, in the order asked for; null for an id that nobody has.
--
-- $1 player ids. A scalar subquery a line is a primary-key probe whatever the statistics say.
SELECT (SELECT player.username FROM player WHERE player.id = given.player_id) AS username
FROM unnest($1::bigint[]) WITH ORDINALITY AS given (player_id, line)
ORDER BY line
