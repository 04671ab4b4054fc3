"""Every screen in every state, as text, at the two sizes that it is designed for."""

import pytest

from tests.support.console.scenes import SCENES, Scene, play
from tests.support.console.snapshots import SIZES, check_snapshots


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_screen_looks_as_designed(scene: Scene) -> None:
    async with play(scene, SIZES["wide"]) as operator:
        await check_snapshots(operator, scene.__name__)
