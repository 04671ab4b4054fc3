-- How much there is: players, sessions of the ledger and their points in all.
SELECT
    (SELECT count(*) FROM player) AS players,
    count(*) AS sessions,
    coalesce(sum(score), 0) AS points
FROM game_session
