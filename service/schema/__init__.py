"""The database schema: how it is applied, and what Piccolo has to know."""
