-- Notes a re-rank: which refresh the stored ranks now show, how many it stored and how long it took.
--
-- $1 refresh number, $2 ranks of all blocks that changed, $3 milliseconds. Locks: the row of
-- database_state.
UPDATE database_state
SET rerank_number = $1, reranked_at = clock_timestamp(), rerank_rows = $2, rerank_ms = $3
