-- Notes that the result of a season was corrected, so that cursors into the one before are known.
--
-- $1 season.
UPDATE season
SET
    revision = revision + 1,
    players = (SELECT count(*) FROM standing WHERE standing.season_id = season.id),
    last_session_id = (SELECT last_value FROM game_session_id_seq)
WHERE id = $1
