-- Ranks the standings of some seasons (1, 2, 2, 4) into the table fresh_block, which lasts as
-- long as the transaction: one row a block of 256 player ids, as in rank_block.
--
-- $1 the seasons. Both arrays are filled from the same rows in the same order, so they belong together.
--
-- One reading of the table by several processes and a sort beat a million probes in the order of the
-- score, so the caller turns index scans off; a table that is made, and not one that is inserted
-- into, lets PostgreSQL read in parallel. Locks: none; folds go on meanwhile.
CREATE TEMPORARY TABLE fresh_block ON COMMIT DROP AS
SELECT
    season_id,
    player_id >> 8 AS block,
    array_agg((player_id & 255)::smallint) AS players,
    array_agg(rank::integer) AS ranks
FROM (
    SELECT
        season_id,
        player_id,
        rank() OVER (PARTITION BY season_id ORDER BY sort_score, tie_key) AS rank
    FROM standing
    WHERE season_id = ANY ($1::bigint[])
) AS ranked
GROUP BY 1, 2
