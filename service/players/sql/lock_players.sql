-- Keeps anybody else from making players until the transaction ends, so that no registration draws an
-- id that is being imported or reserved. Submits and reads go on.
--
-- Locks: the table, against all who write to it.
LOCK TABLE player IN SHARE ROW EXCLUSIVE MODE
