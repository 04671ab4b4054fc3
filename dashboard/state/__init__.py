"""What the console knows, apart from how it is shown."""
