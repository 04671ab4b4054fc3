"""`leaderboard …`, a command a function."""
