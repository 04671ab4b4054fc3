-- Revokes a key by its name $1 (api_key_name_key); the first time counts. No row for no such key.
--
-- Locks: the key.
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE name = $1
RETURNING revoked_at
