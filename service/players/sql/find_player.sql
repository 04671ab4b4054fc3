-- A player by id. $1 player id. Index: player_pkey.
SELECT id AS user_id, username, joined_at, external_id FROM player WHERE id = $1
