-- Lists the standings of some players in the open seasons that are not what the ledger says.
--
-- $1 and $2 first and last player id, $3 only in these seasons, where it is not null. Makes the table
-- wrong_standing for the rest of the transaction: what a standing must be, null throughout where there
-- must be none; and `place`, where the stored row is, null where it is missing.
--
-- What is in the outbox does not count: the next fold adds it.
CREATE TEMPORARY TABLE wrong_standing ON COMMIT DROP AS
SELECT
    season_id,
    player_id,
    earned.score,
    earned.sort_score,
    earned.tie_key,
    earned.sessions,
    earned.reached_at,
    earned.session_id,
    earned.exact_total,
    stored.place
FROM (
    SELECT *
    FROM ledger_standing
    WHERE season_id IN (
            SELECT id FROM counting_season WHERE $3::bigint[] IS NULL OR id = ANY ($3)
        )
        AND player_id BETWEEN $1 AND $2
) AS earned
FULL JOIN (
    SELECT *, ctid AS place
    FROM standing
    WHERE season_id IN (
            SELECT id FROM counting_season WHERE $3::bigint[] IS NULL OR id = ANY ($3)
        )
        AND player_id BETWEEN $1 AND $2
) AS stored USING (season_id, player_id)
-- The place is compared with itself.
WHERE ROW(earned.*, place) IS DISTINCT FROM ROW(stored.*)
