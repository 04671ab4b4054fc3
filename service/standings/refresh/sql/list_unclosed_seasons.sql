-- Those of some seasons that are not closed.
--
-- $1 the seasons. Index: season_pkey. A statement of its own, after the lock of who closes them.
SELECT id AS season_id FROM season WHERE id = ANY ($1::bigint[]) AND closed_at IS NULL
