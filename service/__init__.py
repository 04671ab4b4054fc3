"""The leaderboard service: HTTP API, domain logic, SQL and the programs around it."""
