-- The boards that count, by slug.
--
-- $1 only those whose slug comes after this one, $2 how many at most. Index: board_slug_key.
SELECT slug FROM board WHERE archived_at IS NULL AND slug > $1 ORDER BY slug LIMIT $2
