"""Dramatiq actors: thin callers of the service's refresh, re-rank and closing."""
