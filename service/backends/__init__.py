"""Clients of PostgreSQL, Redis and the broker."""
