-- Forgets deletions that are complete. $1 players. Index: forgotten_player_pkey. Locks: these rows.
DELETE FROM forgotten_player WHERE player_id = ANY ($1::bigint[])
