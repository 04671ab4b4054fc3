-- Has folds count no session in some seasons any more that is newer than all that there are now.
--
-- $1 seasons. No submit is dated into them any more, but an import may be for as long as it runs. One
-- that has its last session keeps it, because folds have left out what came then.
--
-- Index: season_open. Locks: the rows of the seasons; the caller holds the lock of the only writer.
UPDATE season SET last_session_id = highest_session_id()
WHERE id = ANY ($1::bigint[]) AND closed_at IS NULL AND sealed_at IS NULL AND last_session_id IS NULL
