"""The application stops whenever it is told to, however far it has come."""

import asyncio

import pytest

from service.api.app import create_app
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.serving import run_app


# Each step of the event loop is another moment of the connections that are being made.
@pytest.mark.parametrize("first_step", [0, 20])
async def test_application_stops_at_any_moment(
    settings: Settings, refresher: Refresher, first_step: int
) -> None:
    await refresher.refresh()
    for steps in range(first_step, first_step + 20):
        async with asyncio.timeout(10), run_app(create_app(settings)):
            for _ in range(steps):
                await asyncio.sleep(0)


async def test_application_stops_while_both_servers_are_away(settings: Settings) -> None:
    away = settings.model_copy(
        update={
            "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
            "redis_url": "redis://127.0.0.1:1",
        }
    )
    async with asyncio.timeout(10), run_app(create_app(away)):
        await asyncio.sleep(0)
