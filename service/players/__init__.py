"""Players: who scores."""
