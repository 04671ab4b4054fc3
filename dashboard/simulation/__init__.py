"""The traffic generator behind `leaderboard simulate`."""
