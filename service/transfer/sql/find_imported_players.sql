-- Who has what an import asks for. $1 user ids, $2 external ids, $3 usernames (null: not asked), $4
-- times (null: none).
--
-- Answers a row a line, in their order: the ids that belong to each of the three, the first of these,
-- whether the time lies in the future, and whether that player was deleted, and was so here and not
-- where he was imported from. Index: player_pkey, player_external_id_key, player_username_key,
-- moderation_log_player_id, by scalar subqueries, which are probes whatever the statistics say.
SELECT
    id_of_user_id,
    id_of_external_id,
    id_of_username,
    coalesce(id_of_user_id, id_of_external_id, id_of_username) AS user_id,
    is_future,
    deletion.*
FROM (
    SELECT
        line,
        given_at > now() AS is_future,
        (SELECT player.id FROM player WHERE player.id = given.user_id) AS id_of_user_id,
        (
            SELECT player.id FROM player WHERE player.external_id = given.external_id
        ) AS id_of_external_id,
        (SELECT player.id FROM player WHERE player.username = given.username) AS id_of_username
    FROM unnest($1::bigint[], $2::varchar[], $3::varchar[], $4::timestamptz[])
        WITH ORDINALITY AS given (user_id, external_id, username, given_at, line)
    OFFSET 0
) AS known
CROSS JOIN LATERAL (
    SELECT
        (
            SELECT player.deleted_at
            FROM player
            WHERE player.id = coalesce(id_of_user_id, id_of_external_id, id_of_username)
        ) IS NOT NULL AS is_deleted,
        (
            SELECT log.id
            FROM moderation_log AS log
            WHERE log.player_id = coalesce(id_of_user_id, id_of_external_id, id_of_username)
                AND log.action = 'delete'
            LIMIT 1
        ) IS NOT NULL AS is_deleted_here
) AS deletion
ORDER BY line
