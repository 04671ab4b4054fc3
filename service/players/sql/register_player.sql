-- Makes a player. $1 username. No row where the name is taken (player_username_key).
INSERT INTO player (username) VALUES ($1)
ON CONFLICT (username) DO NOTHING
RETURNING id AS user_id, username, joined_at
