-- Lists the migrations that were run here, in their order, by the names that Piccolo noted.
SELECT name FROM migration WHERE app_name = 'leaderboard' ORDER BY id
