-- Forgets deletions that are complete. $1 players. Index: forgotten_player_pkey.
DELETE FROM forgotten_player WHERE player_id = ANY ($1::bigint[])
