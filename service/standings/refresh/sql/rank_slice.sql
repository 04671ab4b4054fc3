-- Ranks the next slice of a season into rank_slice, and notes how far that is.
--
-- $1 season, $2 number of the slice; $3 to $5 sort_score, tie_key and player of the last standing that
-- was ranked, $6 its rank, $7 how many were ranked by then; $8 most standings in a slice, $9
-- milliseconds that the statement before took. Answers the season, or no row where somebody else went
-- on.
--
-- One short statement, so that its snapshot keeps no dead rows for long. Index:
-- standing_season_id_order. Locks: the season's row of rerank_progress.
WITH progress AS MATERIALIZED (
    SELECT season_id
    FROM rerank_progress
    WHERE season_id = $1 AND slice = $2 AND part IS NULL
    FOR UPDATE
),
ranked AS MATERIALIZED (
    SELECT
        player_id,
        sort_score,
        tie_key,
        -- A tie that began in the slice before goes on with its rank.
        CASE
            WHEN $7 > 0 AND (sort_score, tie_key) = ($3, $4) THEN $6
            ELSE $7 + rank() OVER (ORDER BY sort_score, tie_key)
        END AS rank
    FROM (
        SELECT player_id, sort_score, tie_key
        FROM standing
        WHERE season_id = $1 AND (sort_score, tie_key, player_id) > ($3, $4, $5)
        ORDER BY sort_score, tie_key, player_id
        LIMIT $8
    ) AS next
),
stored AS (
    INSERT INTO rank_slice (season_id, part, slice, players, ranks)
    SELECT
        progress.season_id,
        player_id >> 20,
        $2,
        array_agg((player_id & 1048575)::integer),
        array_agg(rank::integer)
    FROM ranked
    CROSS JOIN progress
    GROUP BY progress.season_id, player_id >> 20
)
UPDATE rerank_progress AS advanced
SET
    slice = $2 + 1,
    sort_score = coalesce(last.sort_score, $3),
    tie_key = coalesce(last.tie_key, $4),
    player_id = coalesce(last.player_id, $5),
    rank = coalesce(last.rank, $6),
    ranked = $7 + counted.standings,
    part = CASE WHEN counted.standings < $8 THEN -1 END,
    worked_ms = worked_ms + $9
FROM progress
CROSS JOIN (SELECT count(*) AS standings FROM ranked) AS counted
LEFT JOIN (
    SELECT * FROM ranked ORDER BY sort_score DESC, tie_key DESC, player_id DESC LIMIT 1
) AS last ON true
WHERE advanced.season_id = progress.season_id
RETURNING advanced.season_id
