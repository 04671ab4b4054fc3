"""The index: sorted sets in Redis that follow the standings."""
