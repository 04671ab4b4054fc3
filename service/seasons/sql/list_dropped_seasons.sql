-- Seasons whose standings and index are still to be deleted.
SELECT season_id FROM dropped_season ORDER BY season_id
