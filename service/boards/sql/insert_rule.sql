-- Adds a rule; answers its id.
--
-- $1 to $9 the columns of the table, in their order. Locks: none that others wait for.
INSERT INTO rule (
    operator, direction, ties, game_mode, min_score, max_score, score_format, cron, timezone
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING id
