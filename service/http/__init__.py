"""What every route shares: how bodies are read, how errors are answered, how it is documented."""
