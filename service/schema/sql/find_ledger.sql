-- Tells whether there is a ledger, whoever made it.
SELECT to_regclass('game_session') IS NOT NULL AS has_ledger
