-- Writes down what a moderator did.
--
-- $1 name of the key, $2 action, $3 player, $4 session, $5 season, $6 reason, $7 details as JSON.
--
-- Locks: the new row.
INSERT INTO moderation_log (key_name, action, player_id, session_id, season_id, reason, details)
VALUES ($1, $2, $3, $4, $5, $6, $7)
