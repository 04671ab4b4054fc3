-- Stores the ranks of the next part of a season's player ids that have any, from rank_slice or before.
--
-- $1 season, $2 the part before, $3 milliseconds that the statement before took. Answers the season, or
-- no row where somebody else went on.
--
-- Standings move while a season is ranked in slices. One that fell was ranked twice, and the last
-- time it was further down; one that rose past the slice of the moment was not ranked, and keeps the
-- rank that it had.
--
-- Index: rank_slice_pkey, rank_block_pkey for the next part; standing_pkey a player who was not ranked.
-- Locks: the season's row of rerank_progress; rows of rank_block, which only the holder of the re-rank
-- lock writes.
WITH progress AS MATERIALIZED (
    SELECT
        season_id,
        least(
            (
                SELECT rank_slice.part
                FROM rank_slice
                WHERE rank_slice.season_id = $1 AND rank_slice.part > $2
                ORDER BY rank_slice.part
                LIMIT 1
            ),
            (
                SELECT rank_block.block >> 12
                FROM rank_block
                WHERE rank_block.season_id = $1 AND rank_block.block >= ($2::bigint + 1) << 12
                ORDER BY rank_block.block
                LIMIT 1
            )
        ) AS next_part
    FROM rerank_progress
    WHERE season_id = $1 AND part = $2
    FOR UPDATE
),
fresh AS MATERIALIZED (
    SELECT (rank_slice.part << 20) + place AS player_id, max(rank) AS rank
    FROM progress
    JOIN rank_slice
        ON rank_slice.season_id = progress.season_id AND rank_slice.part = progress.next_part
    CROSS JOIN unnest(players, ranks) AS packed (place, rank)
    GROUP BY 1
),
old AS MATERIALIZED (
    SELECT rank_block.*
    FROM progress
    JOIN rank_block
        ON rank_block.season_id = progress.season_id
        AND rank_block.block >= progress.next_part << 12
        AND rank_block.block < (progress.next_part + 1) << 12
),
kept AS (
    SELECT player_id, rank
    FROM (
        SELECT (block << 8) + place AS player_id, rank
        FROM old
        CROSS JOIN unnest(players, ranks) AS packed (place, rank)
    ) AS packed
    WHERE NOT EXISTS (SELECT FROM fresh WHERE fresh.player_id = packed.player_id)
        AND (
            SELECT standing.player_id
            FROM standing
            WHERE standing.season_id = $1 AND standing.player_id = packed.player_id
        ) IS NOT NULL
),
block AS MATERIALIZED (
    SELECT
        player_id >> 8 AS block,
        array_agg((player_id & 255)::smallint) AS players,
        array_agg(rank) AS ranks
    FROM (SELECT * FROM fresh UNION ALL SELECT * FROM kept) AS known
    GROUP BY 1
),
emptied AS (
    DELETE FROM rank_block
    USING old
    WHERE rank_block.season_id = old.season_id
        AND rank_block.block = old.block
        AND old.block NOT IN (SELECT block FROM block)
),
stored AS (
    INSERT INTO rank_block AS old (season_id, block, players, ranks)
    SELECT $1, block, players, ranks FROM block
    ON CONFLICT (season_id, block) DO UPDATE SET
        players = excluded.players,
        ranks = excluded.ranks
    WHERE (old.players, old.ranks) IS DISTINCT FROM (excluded.players, excluded.ranks)
    RETURNING cardinality(ranks) AS ranks
),
taken AS (
    DELETE FROM rank_slice
    USING progress
    WHERE rank_slice.season_id = progress.season_id AND rank_slice.part = progress.next_part
)
UPDATE rerank_progress AS advanced
SET
    part = coalesce(progress.next_part, $2),
    is_done = progress.next_part IS NULL,
    stored_ranks = advanced.stored_ranks + (SELECT coalesce(sum(ranks), 0) FROM stored),
    worked_ms = advanced.worked_ms + $3
FROM progress
WHERE advanced.season_id = progress.season_id
RETURNING advanced.season_id
