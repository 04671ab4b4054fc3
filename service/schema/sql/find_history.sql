-- Tells whether Piccolo has ever noted a migration here.
SELECT to_regclass('migration') IS NOT NULL AS has_history
