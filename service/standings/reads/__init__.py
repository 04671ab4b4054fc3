"""Tops, ranks, neighbours and pages, as they are answered."""
