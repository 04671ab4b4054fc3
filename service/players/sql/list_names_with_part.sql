-- Players who have some letters in their names, whatever the case, by id; not those who were deleted.
-- $1 the letters as a pattern of LIKE, $2 whether those who are hidden are shown, $3 the ids of those
-- found already, $4 how many. Run under BY_LETTERS, where the fence leaves no other index than this.
-- Index: player_name_part.
SELECT id AS user_id, username, joined_at, external_id
FROM (
    SELECT *
    FROM player
    WHERE lower(username COLLATE pg_c_utf8) LIKE '%' || lower($1::text COLLATE pg_c_utf8) || '%'
    OFFSET 0
) AS named
WHERE deleted_at IS NULL
    AND (state <> 'hidden' OR $2)
    AND id <> ALL ($3::bigint[])
ORDER BY id
LIMIT $4
