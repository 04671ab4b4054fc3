"""The servers that we are clients of: PostgreSQL, Redis and the broker."""
