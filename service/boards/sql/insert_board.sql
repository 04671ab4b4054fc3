-- Adds a board; answers its id.
--
-- $1 slug, $2 title, $3 rule. Locks: a slug that another transaction has just taken is waited for.
INSERT INTO board (slug, title, rule_id) VALUES ($1, $2, $3) RETURNING id
