-- Lists all keys, those that were revoked too, oldest first.
SELECT name, role, hint, created_at, revoked_at FROM api_key ORDER BY id
