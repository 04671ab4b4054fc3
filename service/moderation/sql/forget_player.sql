-- Erases who a player was. $1 player, $2 whether the scores leave the boards too.
--
-- Index: game_session_pkey; moderation_log_player_id. The reasons that moderators gave may name the
-- player by any name or external id that the log knows. Locks: the player, the sessions with something
-- to erase.
WITH known AS (
    SELECT username AS name FROM player WHERE id = $1
    UNION
    SELECT external_id FROM player WHERE id = $1 AND external_id IS NOT NULL
    UNION
    SELECT named.name
    FROM moderation_log
    CROSS JOIN LATERAL (
        VALUES
            (details ->> 'username'),
            (details ->> 'username_before'),
            (details ->> 'external_id'),
            (details ->> 'external_id_before')
    ) AS named (name)
    WHERE player_id = $1 AND named.name IS NOT NULL
),
cleared AS (
    UPDATE moderation_log
    SET
        details = details
            - ARRAY['username', 'username_before', 'external_id', 'external_id_before'],
        reason = CASE
            WHEN EXISTS (SELECT FROM known WHERE position(lower(known.name) IN lower(reason)) > 0)
            THEN '(erased with the name in it)'
            ELSE reason
        END
    WHERE player_id = $1
),
erased AS (
    UPDATE game_session
    SET idempotency_key = NULL, metadata = NULL
    WHERE player_id = $1 AND (idempotency_key IS NOT NULL OR metadata IS NOT NULL)
)
UPDATE player
SET
    username = 'deleted-' || id,
    external_id = NULL,
    deleted_at = clock_timestamp(),
    state = CASE WHEN $2 THEN 'banned' ELSE state END,
    state_until = CASE WHEN NOT $2 THEN state_until END
WHERE id = $1
