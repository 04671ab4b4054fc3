-- What a player's sessions come to, straight from the ledger, folded or not.
--
-- $1 season, $2 player. No row for an unknown player. Both scores are null without any session, for a
-- player who is banned, and in a season that folds do not change any more, where those that are not
-- counted never will; but a player who is hidden is told of a closed one as if its result had them.
--
-- Index: game_session_pkey for this player's sessions alone. Where that would stand is asked apart:
-- with both in one statement PostgreSQL makes a new plan each time, which costs more than the rest.
SELECT
    player.id AS user_id,
    player.username,
    total.score,
    total.saturated,
    CASE rule.direction WHEN 'high' THEN -total.score ELSE total.score END AS sort_score,
    player.state = 'hidden' AS is_hidden,
    CASE rule.ties WHEN 'first' THEN coalesce(total.session_id, total.first_id) ELSE 0 END AS tie_key,
    season.players,
    coalesce(season.closed_at, refresh_state.refreshed_at) AS refreshed_at
FROM player
CROSS JOIN season
JOIN rule ON rule.id = season.rule_id
CROSS JOIN refresh_state
CROSS JOIN LATERAL (
    SELECT
        CASE rule.operator
            WHEN 'sum'
            THEN CASE
                WHEN count(*) > 0
                THEN least(greatest(sum(score), -9007199254740991), 9007199254740991)::bigint
            END
            WHEN 'best' THEN (array_agg(score ORDER BY sort_score))[1]
            WHEN 'latest' THEN (array_agg(score ORDER BY submitted_at DESC, id DESC))[1]
        END AS score,
        coalesce(rule.operator = 'sum' AND abs(sum(score)) > 9007199254740991, false) AS saturated,
        CASE rule.operator
            WHEN 'sum' THEN max(id) FILTER (WHERE score <> 0)
            WHEN 'best' THEN (array_agg(id ORDER BY sort_score, id))[1]
            WHEN 'latest' THEN (array_agg(id ORDER BY submitted_at DESC, id DESC))[1]
        END AS session_id,
        min(id) AS first_id
    FROM counted_session
    WHERE counted_session.season_id = season.id
        AND counted_session.player_id = player.id
        AND player.state <> 'banned'
        AND (
            season.id IN (SELECT id FROM counting_season)
            OR player.state = 'hidden'
            AND season.closed_at IS NOT NULL
            AND counted_session.id <= season.last_session_id
        )
) AS total
WHERE season.id = $1 AND player.id = $2
