-- Finds the standings of the open seasons whose stored rank is not their competition rank
-- (1, 2, 2, 4), and keeps what it should be in rank_change, in key order.
--
-- One reading of the table and a sort beat a million probes in the order of the score, so the caller
-- turns index scans off. Locks: rank_change alone; folds go on meanwhile.
INSERT INTO rank_change (season_id, player_id, rank)
SELECT season_id, player_id, rank
FROM (
    SELECT
        season_id,
        player_id,
        rank AS stored_rank,
        rank() OVER (PARTITION BY season_id ORDER BY sort_score) AS rank
    FROM standing
    WHERE season_id IN (SELECT id FROM season WHERE closed_at IS NULL)
) AS ranked
WHERE stored_rank IS DISTINCT FROM rank
ORDER BY season_id, player_id
