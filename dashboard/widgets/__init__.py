"""Widgets that draw line by line, and only the lines that changed."""
