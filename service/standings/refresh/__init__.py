"""Folding new sessions into standings, and storing their ranks."""
