"""What keeps the parts of the service running on one machine."""
