-- The closed seasons whose index in Redis is still to be deleted. Index: season_closed_index.
SELECT id AS season_id FROM season WHERE closed_at IS NOT NULL AND has_index ORDER BY id
