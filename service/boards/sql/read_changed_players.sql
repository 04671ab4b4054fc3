-- The first and the last of the standings that are to be made again, both null where none are.
SELECT min(id) AS first, max(id) AS last FROM changed_player
