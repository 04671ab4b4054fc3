-- How many players each open season says it has, and how many stand there.
SELECT
    season.id AS season_id,
    season.players,
    (SELECT count(*) FROM standing WHERE standing.season_id = season.id) AS standings
FROM season_with_refresh AS season
WHERE closed_at IS NULL
ORDER BY season.id
