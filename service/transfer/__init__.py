"""Import and export, as CSV or NDJSON: what one writes the other reads."""
