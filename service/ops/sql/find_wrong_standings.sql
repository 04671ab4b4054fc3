-- Lists the standings of the open seasons that are not what the ledger says, ranks included.
--
-- Makes the table wrong_standing for the rest of the transaction: what a standing must be, null
-- throughout where there must be none; `place`, where the stored row is, null where it is missing;
-- and whether more is wrong than the rank, which any change of another player makes outdated.
--
-- The outbox must be empty in this snapshot, so that every session of it counts.
CREATE TEMPORARY TABLE wrong_standing ON COMMIT DROP AS
SELECT
    season_id,
    player_id,
    earned.score,
    earned.sort_score,
    earned.sessions,
    earned.reached_at,
    earned.rank,
    stored.place,
    (earned.score, earned.sort_score, earned.sessions, earned.reached_at)
        IS DISTINCT FROM (stored.score, stored.sort_score, stored.sessions, stored.reached_at)
        AS is_wrong
FROM (
    SELECT *, rank() OVER (PARTITION BY season_id ORDER BY sort_score) AS rank
    FROM ledger_standing
) AS earned
FULL JOIN (
    SELECT ctid AS place, *
    FROM standing
    WHERE season_id IN (SELECT id FROM season WHERE closed_at IS NULL)
) AS stored USING (season_id, player_id)
WHERE (earned.score, earned.sort_score, earned.sessions, earned.reached_at, earned.rank)
    IS DISTINCT FROM
    (stored.score, stored.sort_score, stored.sessions, stored.reached_at, stored.rank)
