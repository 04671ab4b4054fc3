"""Moderation: scores that do not count, players who do not stand, names that go."""
