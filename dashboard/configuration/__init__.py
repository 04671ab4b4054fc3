"""What an operator has written down for the console, and what was chosen in it."""
