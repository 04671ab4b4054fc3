-- The standings of the open seasons that are not what the ledger without the outbox adds up to.
--
-- $1 how many to answer, $2 only in these seasons, where it is not null. Each row has both sides, null
-- throughout where there is none, and says how many there are in all.
SELECT
    season_id,
    player_id,
    earned.score AS earned_score,
    earned.sessions AS earned_sessions,
    earned.sort_score AS earned_sort_score,
    earned.tie_key AS earned_tie_key,
    earned.reached_at AS earned_reached_at,
    earned.session_id AS earned_session_id,
    earned.exact_total AS earned_exact_total,
    stored.score AS stored_score,
    stored.sessions AS stored_sessions,
    stored.sort_score AS stored_sort_score,
    stored.tie_key AS stored_tie_key,
    stored.reached_at AS stored_reached_at,
    stored.session_id AS stored_session_id,
    stored.exact_total AS stored_exact_total,
    count(*) OVER () AS differences
FROM (
    SELECT *
    FROM ledger_standing
    WHERE season_id IN (
        SELECT id FROM counting_season WHERE $2::bigint[] IS NULL OR id = ANY ($2)
    )
) AS earned
FULL JOIN (
    SELECT *
    FROM standing
    WHERE season_id IN (
        SELECT id FROM counting_season WHERE $2::bigint[] IS NULL OR id = ANY ($2)
    )
) AS stored USING (season_id, player_id)
WHERE ROW(earned.*) IS DISTINCT FROM ROW(stored.*)
    -- These are made again by the next refresh.
    AND player_id NOT IN (SELECT changed_player.player_id FROM changed_player)
ORDER BY season_id, player_id
LIMIT $1
