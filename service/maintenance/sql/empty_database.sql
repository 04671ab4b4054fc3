-- Deletes all players, sessions and standings, and makes it another database for everyone who
-- remembers something of it: a new epoch, refreshes numbered from the start, ids from 1.
--
-- Boards and seasons stay. Locks: all tables of the ledger and the standings, against everyone.
TRUNCATE player, game_session, outbox, standing, rank_block, milestone RESTART IDENTITY;
UPDATE season SET players = 0, last_refresh = 0;
DELETE FROM refresh_state;
INSERT INTO refresh_state (id, epoch) VALUES (1, gen_random_uuid());
