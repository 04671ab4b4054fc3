-- Forgets the re-rank under way.
WITH forgotten AS (DELETE FROM rank_slice)
DELETE FROM rerank_progress
