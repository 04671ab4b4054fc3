-- What moderators did, in order, or the newest first.
--
-- $1 only what comes after this entry, $2 how many, $3 whether the newest come first. Index:
-- moderation_log_pkey, in the one direction or the other.
SELECT
    listed.id,
    listed.at,
    listed.key_name AS key,
    listed.action,
    listed.player_id AS user_id,
    listed.session_id,
    board.slug AS board,
    season.number AS season,
    listed.reason,
    listed.details
FROM (
    (SELECT * FROM moderation_log WHERE NOT $3 AND id > $1 ORDER BY id LIMIT $2)
    UNION ALL
    (SELECT * FROM moderation_log WHERE $3 AND id < $1 ORDER BY id DESC LIMIT $2)
) AS listed
LEFT JOIN season ON season.id = listed.season_id
LEFT JOIN board ON board.id = season.board_id
ORDER BY CASE WHEN $3 THEN -listed.id ELSE listed.id END
