-- Has no re-rank that is under way store ranks of this season any more, which would be older ones.
--
-- $1 season. Waits for the slice of the moment, and whoever stores the next one waits for this
-- transaction. Locks: the season's row of rerank_progress.
DELETE FROM rerank_progress WHERE season_id = $1
