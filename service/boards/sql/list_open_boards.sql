-- The boards that count, by slug.
SELECT slug FROM board WHERE archived_at IS NULL ORDER BY slug
