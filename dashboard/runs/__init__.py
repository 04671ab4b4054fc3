"""Runs of the traffic generator, and scores by hand."""
