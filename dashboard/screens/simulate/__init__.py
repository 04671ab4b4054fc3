"""The Simulate screen."""
