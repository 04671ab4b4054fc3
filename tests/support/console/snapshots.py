"""Screens as text, compared with how they looked before.

A screen that should look different now: `UPDATE_SNAPSHOTS=1 pytest tests/dashboard/screens`, then
read the difference before it is committed.
"""

import os
from pathlib import Path

from tests.support.console.operating import Operator

_FOLDER = Path(__file__).parents[2] / "dashboard" / "screens" / "snapshots"

SIZES = {"narrow": (80, 24), "wide": (120, 36)}


async def check_snapshots(operator: Operator, name: str) -> None:
    """Assert that a wide screen, and then the same made narrow, look as their snapshots do."""
    await operator.lay_out()
    _check_snapshot(f"{name}_wide", operator.screen_text, SIZES["wide"])
    await operator.resize(*SIZES["narrow"])
    _check_snapshot(f"{name}_narrow", operator.screen_text, SIZES["narrow"])


def _check_snapshot(name: str, shown: str, size: tuple[int, int]) -> None:
    width, height = size
    assert len(shown.splitlines()) == height
    snapshot = _FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(shown)
    assert shown == snapshot.read_text()
    assert all(len(line) <= width for line in shown.splitlines())
