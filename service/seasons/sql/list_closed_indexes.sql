-- The closed seasons whose index in Redis is still to be deleted, once nobody reads it by what is
-- remembered of a board.
--
-- Index: season_closed_index.
SELECT id AS season_id
FROM season
WHERE closed_at < clock_timestamp() - interval '10 seconds' AND has_index
ORDER BY id
