-- Lists the standings of the open seasons that are not what the ledger says.
--
-- Makes the table wrong_standing for the rest of the transaction: what a standing must be, null
-- throughout where there must be none; and `place`, where the stored row is, null where it is missing.
--
-- The outbox must be empty in this snapshot, so that every session of it counts.
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
    SELECT * FROM ledger_standing WHERE season_id IN (SELECT id FROM counting_season)
) AS earned
FULL JOIN (
    SELECT ctid AS place, *
    FROM standing
    WHERE season_id IN (SELECT id FROM counting_season)
) AS stored USING (season_id, player_id)
WHERE (
        earned.score,
        earned.sort_score,
        earned.tie_key,
        earned.sessions,
        earned.reached_at,
        earned.session_id,
        earned.exact_total
    )
    IS DISTINCT FROM (
        stored.score,
        stored.sort_score,
        stored.tie_key,
        stored.sessions,
        stored.reached_at,
        stored.session_id,
        stored.exact_total
    )
