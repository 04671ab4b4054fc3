"""How traffic reaches the service."""
