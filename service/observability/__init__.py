"""What the processes tell of their own work."""
