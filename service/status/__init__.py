"""What the service tells about itself: status, health, metrics."""
