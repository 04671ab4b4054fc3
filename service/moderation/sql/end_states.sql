-- Makes those players active again whose state is over, and notes that their standings change.
--
-- Index: player_state_until. Locks: the players, but waits for none: every fold comes after this, and who
-- is locked now is looked at again before the next one.
WITH ended AS (
    UPDATE player
    SET state = 'active', state_until = NULL
    FROM (
        SELECT id, state
        FROM player
        WHERE state_until <= clock_timestamp()
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS before
    WHERE player.id = before.id AND player.state_until <= clock_timestamp()
    RETURNING player.id, before.state
),
logged AS (
    INSERT INTO moderation_log (action, player_id, details)
    SELECT 'state_ended', id, jsonb_build_object('before', state, 'after', 'active') FROM ended
)
INSERT INTO changed_player (player_id) SELECT id FROM ended
