from service.schema.migrate import make_script_migration

ID = "2026-11-23T19:10:12:402817"
VERSION = "1.38.0"
DESCRIPTION = "what the standings must be, as a view"

FORWARDS = """
-- Promise P1 as a query: at every moment the standings of the open seasons are these rows. A
-- session counts here once it has left the outbox, by the rule of fold_sessions.sql.
--
-- One grouping a season, because grouping by season as well makes PostgreSQL sort the ledger where
-- it can hash the players. A condition on player_id reaches game_session_player_id_id.
CREATE VIEW ledger_standing AS
SELECT
    season.id AS season_id,
    earned.player_id,
    earned.score,
    CASE board.direction WHEN 'high' THEN -earned.score ELSE earned.score END AS sort_score,
    earned.sessions,
    earned.reached_at
FROM season
JOIN board ON board.id = season.board_id
CROSS JOIN LATERAL (
    SELECT
        session.player_id,
        least(greatest(sum(session.score), -9007199254740992), 9007199254740992) AS score,
        count(*) AS sessions,
        max(session.submitted_at) AS reached_at
    FROM game_session AS session
    WHERE session.submitted_at >= season.starts_at
        AND (season.ends_at IS NULL OR session.submitted_at < season.ends_at)
        AND (board.game_mode IS NULL OR board.game_mode = session.game_mode)
        AND NOT EXISTS (
            SELECT FROM pending_session WHERE pending_session.session_id = session.id
        )
    GROUP BY session.player_id
) AS earned
WHERE season.closed_at IS NULL AND board.operator = 'sum';
"""

BACKWARDS = """
DROP VIEW ledger_standing;
"""


async def forwards():
    return make_script_migration(ID, DESCRIPTION, FORWARDS, BACKWARDS)
