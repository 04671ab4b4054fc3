"""Numbers and names, written for people."""
