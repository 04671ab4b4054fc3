-- How many players each season says it has, and how many stand there.
--
-- $1 whether of the closed seasons or of the open ones.
SELECT
    season.id AS season_id,
    season.players,
    (SELECT count(*) FROM standing WHERE standing.season_id = season.id) AS standings
FROM season_with_refresh AS season
WHERE (closed_at IS NOT NULL) = $1
ORDER BY season.id
