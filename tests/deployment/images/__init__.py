"""Stand-in images for an engine that reaches no image registry."""
