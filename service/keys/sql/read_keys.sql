-- Reads the keys that are valid: what a process compares with what its callers send.
SELECT name, role, digest FROM api_key WHERE revoked_at IS NULL
