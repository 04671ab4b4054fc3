-- The seasons that have an index, as indexed_season has them.
SELECT * FROM indexed_season ORDER BY season_id
