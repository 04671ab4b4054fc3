-- Those of the first ten thousand players who have some letters in their names, whatever the case, by
-- id; not those who were deleted.
-- $1 the letters as a pattern of LIKE, $2 whether those who are hidden are shown, $3 the ids of those
-- found already, $4 how many. Run under ALONG_INDEX: each name is compared, which costs milliseconds.
-- Index: player_pkey.
SELECT id AS user_id, username, joined_at, external_id
FROM player
WHERE id < (SELECT min(id) FROM player) + 10000
    AND lower(username COLLATE pg_c_utf8) LIKE '%' || lower($1::text COLLATE pg_c_utf8) || '%'
    AND deleted_at IS NULL
    AND (state <> 'hidden' OR $2)
    AND id <> ALL ($3::bigint[])
ORDER BY id
LIMIT $4
