"""Game sessions: the ledger of submitted scores and the outbox of those not yet folded."""
