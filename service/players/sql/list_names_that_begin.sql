-- Players whose names begin with some letters, whatever the case, in the order of the names; not those
-- who were deleted, and of those who are hidden only who is asked for by the whole name.
-- $1 the letters, $2 whether all who are hidden are shown, $3 how many. Run under ALONG_INDEX.
-- Index: player_name_start.
SELECT id AS user_id, username, joined_at, external_id
FROM player
WHERE lower(username COLLATE pg_c_utf8) >= lower($1::text COLLATE pg_c_utf8)
    -- Behind the last character that there is.
    AND lower(username COLLATE pg_c_utf8) < lower($1::text COLLATE pg_c_utf8) || chr(1114111)
    AND deleted_at IS NULL
    AND (
        state <> 'hidden'
        OR $2
        OR lower(username COLLATE pg_c_utf8) = lower($1::text COLLATE pg_c_utf8)
    )
ORDER BY lower(username COLLATE pg_c_utf8)
LIMIT $3
