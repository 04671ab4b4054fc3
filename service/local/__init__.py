"""`leaderboard up`: PostgreSQL, Valkey and every program on this machine."""
