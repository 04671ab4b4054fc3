-- The highest ids that any player and any session may have by now: what the sequences have given out.
SELECT
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM player_id_seq) AS user_id,
    highest_session_id() AS session_id
