"""Standings: folding, ranking, publishing to the index and reading ranks back."""
