-- A player by name. $1 username. Index: player_username_key.
SELECT id AS user_id, username, joined_at, external_id FROM player WHERE username = $1
