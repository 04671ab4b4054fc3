-- Deletes all players, sessions and standings, and makes it another database for everyone who
-- remembers something of it: a new epoch, refreshes numbered from the start, ids from 1.
--
-- Boards and seasons stay; those that are being filled begin again. What database_state says of seasons is
-- gone: note_seasons.sql. Locks: all tables of the ledger and the standings, against everyone.
TRUNCATE
    player, game_session, outbox, changed_player, forgotten_player, moderation_log, standing, rank_block,
    milestone
    RESTART IDENTITY;
UPDATE season SET fill_from_player = 0 WHERE fill_from_player IS NOT NULL;
UPDATE season_refresh SET number = 0, token = 0, players = 0;
DELETE FROM database_state;
INSERT INTO database_state (id, epoch) VALUES (1, gen_random_uuid());
DELETE FROM latest_refresh;
INSERT INTO latest_refresh DEFAULT VALUES;
