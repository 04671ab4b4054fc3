-- Who has some names and external ids. $1 usernames, $2 external ids (null: none).
--
-- Answers a row a line, in their order: the player with the external id, else the one with the name;
-- without a user_id where there is neither. Index: player_username_key, player_external_id_key, by
-- scalar subqueries, which are probes whatever the statistics say; then player_pkey.
SELECT found.id AS user_id, found.username, found.joined_at, found.external_id
FROM (
    SELECT
        line,
        coalesce(
            (SELECT player.id FROM player WHERE player.external_id = given.external_id),
            (SELECT player.id FROM player WHERE player.username = given.username)
        ) AS user_id
    FROM unnest($1::varchar[], $2::varchar[])
        WITH ORDINALITY AS given (username, external_id, line)
    OFFSET 0
) AS known
LEFT JOIN LATERAL (SELECT * FROM player WHERE player.id = known.user_id OFFSET 0) AS found ON true
ORDER BY line
