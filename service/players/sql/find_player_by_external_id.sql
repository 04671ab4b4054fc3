-- A player by external id. $1 external id. Index: player_external_id_key.
SELECT id AS user_id, username, joined_at, external_id FROM player WHERE external_id = $1
