-- The highest id that a session may have by now.
SELECT highest_session_id() AS session_id
