"""The Player screen."""
