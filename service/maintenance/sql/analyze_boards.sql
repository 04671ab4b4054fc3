-- Tells the planner how far seasons and rules reach: autovacuum never looks at tables that small.
--
-- Without it a ledger of millions passes for some hundred sessions, which are sorted and not hashed.
-- Who may not analyze them is warned, and goes on. Locks: theirs, against another ANALYZE alone.
ANALYZE board, rule, season
