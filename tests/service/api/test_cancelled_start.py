"""The application stops whenever it is told to, however far it has come."""

import asyncio
import gc

import pytest

from service.api.app import create_app
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.serving import run_app


# Each step of the event loop is another moment of the connections that are being made; from the
# fortieth or so on the feed of tops has subscribed, and asks for a refresh by itself.
@pytest.mark.parametrize("moments", [range(20), range(20, 40), range(40, 300, 10)], ids=str)
async def test_application_stops_at_any_moment_and_leaves_no_connection(
    settings: Settings, refresher: Refresher, moments: range
) -> None:
    await refresher.refresh()
    for steps in moments:
        async with asyncio.timeout(10), run_app(create_app(settings)):
            for _ in range(steps):
                await asyncio.sleep(0)
    # What was left open says so when it is collected.
    gc.collect()


async def test_application_stops_while_both_servers_are_away(settings: Settings) -> None:
    away = settings.model_copy(
        update={
            "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
            "redis_url": "redis://127.0.0.1:1",
        }
    )
    async with asyncio.timeout(10), run_app(create_app(away)):
        await asyncio.sleep(0)
