"""The operator console: talks to the service over HTTP only."""
