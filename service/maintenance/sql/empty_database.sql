-- Deletes all players, sessions and standings, and makes it another database for everyone who
-- remembers something of it: a new epoch, refreshes numbered from the start, ids from 1.
--
-- Boards and seasons stay; those that are being filled begin again. What refresh_state says of seasons is
-- gone: note_seasons.sql. Locks: all tables of the ledger and the standings, against everyone.
TRUNCATE
    player, game_session, outbox, changed_player, moderation_log, standing, rank_block, milestone
    RESTART IDENTITY;
UPDATE season
SET
    players = 0,
    last_refresh = 0,
    fill_from_player = CASE WHEN fill_from_player IS NOT NULL THEN 0 END;
DELETE FROM refresh_state;
INSERT INTO refresh_state (id, epoch) VALUES (1, gen_random_uuid());
