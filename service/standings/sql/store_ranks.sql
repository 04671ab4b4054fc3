-- Stores the ranks that a run of pages of rank_change holds.
--
-- $1 and $2 the first page, and the one after the last. Index: standing_pkey, probed a row; the
-- caller turns other joins off, which would read every standing for each run. Locks: the standings
-- it writes, for as long as the run takes; the writer lock keeps folds from waiting in between.
UPDATE standing
SET rank = rank_change.rank, ranked_at = now()
FROM rank_change
WHERE rank_change.ctid >= format('(%s,0)', $1::bigint)::tid
    AND rank_change.ctid < format('(%s,0)', $2::bigint)::tid
    AND standing.season_id = rank_change.season_id
    AND standing.player_id = rank_change.player_id
