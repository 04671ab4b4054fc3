-- How far the re-rank under way is with each of its seasons, in their order.
--
-- One of another epoch was of other standings, and one of a closed season is not needed any more.
SELECT rerank_progress.*
FROM rerank_progress
JOIN database_state ON database_state.epoch = rerank_progress.epoch
JOIN season ON season.id = rerank_progress.season_id AND season.closed_at IS NULL
ORDER BY season_id
