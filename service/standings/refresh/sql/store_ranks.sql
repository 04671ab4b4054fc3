-- Stores the blocks of fresh_block (rank_standings.sql) that are not stored like that already, and
-- removes those of these seasons in which nobody stands any more.
--
-- $1 the seasons; what fresh_block has of others is left out. Answers how many ranks the stored blocks hold.
--
-- Index: rank_block_pkey. Locks: the rows of rank_block, which others write too: the caller has the lock of
-- ranks, and leaves out what is closed.
WITH emptied AS (
    DELETE FROM rank_block
    WHERE season_id = ANY ($1::bigint[])
        AND NOT EXISTS (
            SELECT FROM fresh_block
            WHERE fresh_block.season_id = rank_block.season_id
                AND fresh_block.block = rank_block.block
        )
),
stored AS (
    INSERT INTO rank_block AS old (season_id, block, players, ranks)
    SELECT season_id, block, players, ranks FROM fresh_block WHERE season_id = ANY ($1::bigint[])
    ON CONFLICT (season_id, block) DO UPDATE SET
        players = excluded.players,
        ranks = excluded.ranks
    WHERE (old.players, old.ranks) IS DISTINCT FROM (excluded.players, excluded.ranks)
    RETURNING cardinality(ranks) AS ranks
)
SELECT coalesce(sum(ranks), 0)::bigint AS ranks FROM stored
