-- Stores the competition rank of every standing of a season that is sealed.
--
-- $1 season. Index: standing_season_id_order for the order; rank_block_pkey. Locks: the rows of
-- rank_block. The caller holds the lock of closing, and that of ranks: a re-rank leaves out what it
-- has closed.
WITH block AS (
    SELECT
        player_id >> 8 AS block,
        array_agg((player_id & 255)::smallint) AS players,
        array_agg(rank::integer) AS ranks
    FROM (
        SELECT player_id, rank() OVER (ORDER BY sort_score, tie_key) AS rank
        FROM standing
        WHERE season_id = $1
    ) AS ranked
    GROUP BY 1
),
emptied AS (
    DELETE FROM rank_block
    WHERE season_id = $1 AND rank_block.block NOT IN (SELECT block.block FROM block)
)
INSERT INTO rank_block AS old (season_id, block, players, ranks)
SELECT $1, block, players, ranks FROM block
ON CONFLICT (season_id, block) DO UPDATE SET
    players = excluded.players,
    ranks = excluded.ranks
WHERE (old.players, old.ranks) IS DISTINCT FROM (excluded.players, excluded.ranks)
