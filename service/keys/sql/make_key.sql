-- Makes a key. $1 name, $2 role, $3 SHA-256 of it, $4 its last characters. No row where the name
-- is taken (api_key_name_key). Locks: a name that another transaction has just taken is waited for.
INSERT INTO api_key (name, role, digest, hint) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO NOTHING
RETURNING id
