-- Deletes the stored ranks and milestones of a season that is no more, and what notes that it has to be
-- deleted.
--
-- $1 season. Its standings and its index are gone by then. Index: rank_block_pkey, milestone_pkey.
-- Locks: these rows.
WITH ranks AS (
    DELETE FROM rank_block WHERE season_id = $1
),
milestones AS (
    DELETE FROM milestone WHERE season_id = $1
)
DELETE FROM dropped_season WHERE season_id = $1
