-- What other standings of a player would be, in the open seasons, now that other sessions count or that
-- the player has another state.
--
-- $1 player. Answers one row a season where the score or the rank becomes another one: what stands and
-- what the ledger says, where players who are hidden or banned do not stand. Ranks are counted,
-- exactly, so this is for looking ahead and not for each call.
--
-- Index: game_session_pkey for this player's sessions; standing_season_id_order for the ranks.
SELECT
    board.slug AS board,
    season.number AS season,
    before.score AS score_before,
    CASE WHEN before.score IS NOT NULL THEN (
        SELECT count(*) + 1
        FROM standing AS other
        WHERE other.season_id = season.id
            AND other.player_id <> $1
            AND (other.sort_score, other.tie_key) < (before.sort_score, before.tie_key)
    ) END AS rank_before,
    after.score AS score_after,
    CASE WHEN after.score IS NOT NULL THEN (
        SELECT count(*) + 1
        FROM standing AS other
        WHERE other.season_id = season.id
            AND other.player_id <> $1
            AND (other.sort_score, other.tie_key) < (after.sort_score, after.tie_key)
    ) END AS rank_after
FROM season
JOIN board ON board.id = season.board_id
LEFT JOIN standing AS before ON before.season_id = season.id AND before.player_id = $1
LEFT JOIN ledger_standing AS after ON after.season_id = season.id AND after.player_id = $1
WHERE season.id IN (SELECT id FROM counting_season)
    AND season.number > 0
    AND (before.sort_score, before.tie_key, before.sessions, before.session_id)
        IS DISTINCT FROM (after.sort_score, after.tie_key, after.sessions, after.session_id)
ORDER BY board.slug, season.number
