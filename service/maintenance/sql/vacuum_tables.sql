-- Brings statistics and visibility maps up to date after a bulk load, ahead of autovacuum.
VACUUM (ANALYZE) player, game_session, standing
