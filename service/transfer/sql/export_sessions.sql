-- The sessions with ids of a range, in their order, to be exported. $1 first id, $2 the id after the
-- last.
--
-- In the order of ids, and not by player: imported in this order, sessions keep it. A session without
-- a key is given one by its id and its time in microseconds, which is the same in each export. By the id
-- alone it might have that of a session which another service exported, and which is kept here with it.
--
-- Index: game_session_id, whose runs of pages that may hold these ids are read; player_pkey a row, by
-- LATERAL with OFFSET 0, which cannot become a scan. The caller turns scans of the whole table and of
-- the whole primary key off, which the planner prefers where it knows nothing of the ids.
SELECT
    session.id AS session_id,
    session.player_id AS user_id,
    player.username,
    player.external_id,
    session.score,
    session.game_mode,
    coalesce(
        session.idempotency_key,
        format(
            'leaderboard:session:%s:%s',
            session.id,
            (extract(epoch FROM session.submitted_at) * 1000000)::bigint
        )
    ) AS idempotency_key,
    session.metadata,
    session.revoked_at,
    session.submitted_at
FROM game_session AS session
CROSS JOIN LATERAL (
    SELECT username, external_id FROM player WHERE player.id = session.player_id OFFSET 0
) AS player
WHERE session.id >= $1 AND session.id < $2
ORDER BY session.id
