"""Screens as text, compared with how they looked before.

A screen that should look different now: `UPDATE_SNAPSHOTS=1 pytest tests/dashboard`, then read the
difference before it is committed.
"""

import os
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "dashboard" / "screens" / "snapshots"

SIZES = {"narrow": (80, 24), "wide": (120, 36)}


def check_snapshot(name: str, shown: str, size: tuple[int, int]) -> None:
    """Assert that a screen fills its size and looks as its snapshot does."""
    width, height = size
    assert len(shown.splitlines()) == height
    snapshot = _FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(shown)
    assert shown == snapshot.read_text()
    assert all(len(line) <= width for line in shown.splitlines())
