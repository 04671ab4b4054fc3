-- Notes why an index does not follow the standings, for the operator's eyes.
--
-- $1 the words, null where all of them follow.
WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE refresh_state SET index_problem = $1 FROM relaxed WHERE index_problem IS DISTINCT FROM $1
