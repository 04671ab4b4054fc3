-- How much there is: the players, and the sessions of the ledger with the sum of their points.
SELECT
    (SELECT count(*) FROM player) AS players,
    count(*) AS sessions,
    coalesce(sum(score), 0) AS points
FROM game_session
