-- Forgets the re-rank under way. Locks: all rows of rerank_progress and rank_slice.
WITH forgotten AS (DELETE FROM rank_slice)
DELETE FROM rerank_progress
