-- In which of some seasons sessions may count that are not folded yet.
--
-- $1 starts of the seasons and the end of the last, in order. Answers their places, from 1.
--
-- Index: game_session_pkey for each pending session.
SELECT coalesce(array_agg(DISTINCT width_bucket(session.submitted_at, $1::timestamptz[])), '{}') AS places
FROM pending_session AS pending
JOIN game_session AS session
    ON session.player_id = pending.player_id AND session.id = pending.session_id
WHERE session.submitted_at >= ($1::timestamptz[])[1]
    AND session.submitted_at < ($1::timestamptz[])[cardinality($1)]
