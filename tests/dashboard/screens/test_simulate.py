"""The Simulate screen in every state, with runs that the test makes up."""

import pytest

from tests.support.console.simulating import SCENES, Scene, open_simulate
from tests.support.console.snapshots import SIZES, check_snapshots


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_screen_looks_as_designed(scene: Scene) -> None:
    async with open_simulate(size=SIZES["wide"]) as simulating:
        await scene(simulating)
        await check_snapshots(simulating.operator, scene.__name__)
