-- Notes which seasons a refresh changed, and tells which number each had before.
--
-- $1 season ids, $2 how many more stand in each than before, $3 the refresh's number, $4 its token. Answers
-- one row a season: the database's epoch, its previous number and token, its players now, whether ties
-- go to who got there first, and whether it is still being filled, so that it has no index. The previous
-- ones are what its index in Redis must have reached for the changes to be added to it.
--
-- A statement of its own: whoever numbered a refresh before has committed by now, and is seen. A season
-- whose row somebody else changes while this waits for it is left out.
--
-- Index: the newest entry of each season's of season_refresh_pkey; the rows themselves by their place,
-- because the planner, who knows of one row a season, would as soon read all entries. Locks: these rows.
WITH before AS MATERIALIZED (
    SELECT
        latest.ctid AS place,
        latest.number,
        latest.token,
        grown.by,
        rule.ties = 'first' AS is_first,
        season.fill_from_player IS NOT NULL AS is_filling
    FROM unnest($1::bigint[], $2::bigint[]) AS grown (season_id, by)
    JOIN season ON season.id = grown.season_id
    JOIN rule ON rule.id = season.rule_id
    CROSS JOIN LATERAL (
        SELECT ctid, number, token
        FROM season_refresh
        WHERE season_refresh.season_id = grown.season_id
        ORDER BY number DESC
        LIMIT 1
    ) AS latest
)
UPDATE season_refresh
SET number = $3, token = $4, players = players + before.by
FROM before
WHERE season_refresh.ctid = before.place
RETURNING
    season_id,
    players,
    before.number AS previous_number,
    before.token AS previous_token,
    before.is_first,
    before.is_filling,
    (SELECT epoch FROM database_state) AS epoch
