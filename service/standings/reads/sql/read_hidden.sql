-- The session that would make a hidden player's standing, as select_details.sql says of one who stands.
--
-- $1 season, $2 player. No row for anybody else, nor without a session that counts.
--
-- Index: player_not_standing; game_session_pkey for this player's sessions alone.
SELECT
    player_id,
    session_id,
    sort_score,
    reached_at,
    (
        SELECT game_session.metadata
        FROM game_session
        WHERE game_session.player_id = expected.player_id AND game_session.id = expected.session_id
    ) AS metadata
FROM expected_standing AS expected
WHERE season_id = $1 AND player_id = $2 AND state = 'hidden' AND score IS NOT NULL
