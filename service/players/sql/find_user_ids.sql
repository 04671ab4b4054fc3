-- The ids of players by their external ids, in the order asked for; null for one that nobody has.
--
-- $1 external ids (null: not asked). Index: player_external_id_key, by a scalar subquery a line, which
-- is a probe whatever the statistics say.
SELECT (SELECT player.id FROM player WHERE player.external_id = given.external_id) AS user_id
FROM unnest($1::varchar[]) WITH ORDINALITY AS given (external_id, line)
ORDER BY line
