"""The API process, assembled."""
