-- The ledger's time, by which seasons begin and end: not before the newest end of a season.
SELECT ledger_now() AS now
