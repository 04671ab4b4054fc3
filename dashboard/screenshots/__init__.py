"""Pictures of each screen for the README, and the program that makes them."""
