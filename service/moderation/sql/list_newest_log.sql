-- What moderators did, the newest first.
--
-- $1 only before this entry, $2 how many. Index: moderation_log_pkey, read backwards.
SELECT
    moderation_log.id,
    moderation_log.at,
    moderation_log.key_name,
    moderation_log.action,
    moderation_log.player_id,
    moderation_log.session_id,
    board.slug,
    season.number,
    moderation_log.reason,
    moderation_log.details
FROM moderation_log
LEFT JOIN season ON season.id = moderation_log.season_id
LEFT JOIN board ON board.id = season.board_id
WHERE moderation_log.id < $1
ORDER BY moderation_log.id DESC
LIMIT $2
