-- Keeps anybody else from making players until the transaction ends, so that no registration draws an
-- id that is being imported. Submits and reads go on.
LOCK TABLE player IN SHARE ROW EXCLUSIVE MODE
