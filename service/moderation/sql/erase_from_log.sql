-- Erases from the log who a player was: before the player's row, which still knows the names.
--
-- $1 player. That player's entries lose the names in their details. Every reason with a name in it goes as
-- a whole, whoever or whatever its entry is about; the names are all that the player has or had: name and
-- external id of now, and those that the log knows. In entries about others only a word of its own counts,
-- with no letter of the Latin alphabet and no digit beside it, so that who was called `a` takes no other
-- reason along than one with that word.
--
-- Index: moderation_log_player_id for the names; then all of the log is read, which has a row an act, in
-- some seconds for a million. Locks: the entries it changes, for which only another deletion waits; so
-- not in one statement with the player's row, for which submits do.
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
-- A regular expression: each character that could mean something there has a backslash in front.
pattern AS MATERIALIZED (
    SELECT
        string_agg(
            regexp_replace(
                lower(normalize(name) COLLATE pg_c_utf8), '[^a-z0-9]', '\\\&', 'g'
            ),
            '|'
        ) AS any_name
    FROM known
),
searched AS (
    SELECT
        id,
        lower(normalize(reason) COLLATE pg_c_utf8) ~ CASE
            WHEN player_id = $1 THEN any_name
            ELSE '(^|[^a-z0-9])(' || any_name || ')($|[^a-z0-9])'
        END AS has_name
    FROM moderation_log
    CROSS JOIN pattern
)
UPDATE moderation_log AS entry
SET
    details = CASE
        WHEN entry.player_id = $1
        THEN entry.details
            - ARRAY['username', 'username_before', 'external_id', 'external_id_before']
        ELSE entry.details
    END,
    reason = CASE WHEN has_name THEN '(erased with the name in it)' ELSE entry.reason END
FROM searched
WHERE entry.id = searched.id AND (entry.player_id = $1 OR has_name)
