"""What becomes of seasons: filled from the past, followed by the next, closed once."""
