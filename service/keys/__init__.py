"""API keys: who may read, submit and operate."""
