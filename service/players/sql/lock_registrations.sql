-- Has registrations of many players wait for each other, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('leaderboard registrations', 0))
