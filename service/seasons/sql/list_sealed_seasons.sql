-- The seasons that are complete and not closed yet. Index: season_open.
SELECT id AS season_id FROM season WHERE closed_at IS NULL AND sealed_at IS NOT NULL ORDER BY id
