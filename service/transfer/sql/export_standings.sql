-- All standings of a season, best first, with their ranks. $1 season.
--
-- Read through a cursor in one snapshot, because the order changes all the time. Index:
-- standing_season_id_order from its start, so that the first rows come at once; then
-- player_pkey a row. The caller turns off sorts and sequential scans, with which nothing would come
-- before all was read.
SELECT
    rank() OVER (ORDER BY standing.sort_score, standing.tie_key) AS rank,
    standing.player_id AS user_id,
    player.username,
    player.external_id,
    standing.score,
    standing.sessions,
    standing.reached_at
FROM standing
CROSS JOIN LATERAL (
    SELECT username, external_id FROM player WHERE player.id = standing.player_id OFFSET 0
) AS player
WHERE standing.season_id = $1
ORDER BY standing.sort_score, standing.tie_key, standing.player_id
