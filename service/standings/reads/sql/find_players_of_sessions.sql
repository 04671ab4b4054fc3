-- Whose sessions are these? $1 session ids. No row for one that there is not.
--
-- Index: game_session_id, whose runs of pages that may hold these ids are read, new ones being all in the
-- last; the caller turns scans of the whole table and of the whole primary key off.
SELECT id AS session_id, player_id
FROM game_session
WHERE id = ANY ($1::bigint[])
