"""Boards and seasons: which sessions count where."""
