-- The closed seasons whose index in Redis is still to be deleted, once nobody reads it by what is
-- remembered of a board; and whether a refresh ever put somebody into it.
--
-- Index: season_closed_index.
SELECT id AS season_id, last_refresh > 0 AS was_filled
FROM season_with_refresh
WHERE closed_at < clock_timestamp() - interval '10 seconds' AND has_index
ORDER BY id
