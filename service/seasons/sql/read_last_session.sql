-- The highest id that a session may have by now; 0 before the first.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS session_id FROM game_session_id_seq
