-- Counts the players of a season who stand before a score.
--
-- $1 season, $2 sort_score. A million of them take a third of a second.
--
-- Index: standing_season_id_order from its start.
SELECT count(*) FROM standing WHERE season_id = $1 AND sort_score < $2
