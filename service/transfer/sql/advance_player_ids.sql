-- Has new players get ids above one that was imported. $1 that id.
SELECT setval('player_id_seq', $1::bigint) FROM player_id_seq WHERE last_value < $1::bigint
