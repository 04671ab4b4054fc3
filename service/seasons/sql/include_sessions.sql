-- Has the result of a closed season be of all the sessions up to one, and of this moment.
--
-- $1 season, $2 session: whoever may have drawn a lower id has committed, or never will. Comes before the
-- standings are made, so that what moderators do meanwhile counts as done later. Locks: the season.
UPDATE season
SET sealed_at = ledger_now(), last_session_id = greatest(last_session_id, $2)
WHERE id = $1
