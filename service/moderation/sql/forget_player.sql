-- Erases who a player was, and notes what may still be under way. $1 player, $2 whether the scores leave
-- the boards too.
--
-- Locks: the player's row, against the foreign keys of sessions that are being written, which wait for
-- it: so this comes last in its transaction.
WITH noted AS (
    INSERT INTO forgotten_player (player_id) VALUES ($1)
)
UPDATE player
SET
    username = 'deleted-' || id,
    external_id = NULL,
    deleted_at = clock_timestamp(),
    state = CASE WHEN $2 THEN 'banned' ELSE state END,
    state_until = CASE WHEN NOT $2 THEN state_until END
WHERE id = $1
