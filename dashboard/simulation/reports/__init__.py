"""What is counted of a run, and how it is told."""
