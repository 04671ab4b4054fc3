"""What a worker does when it gets one message, in a process that can be killed meanwhile."""

import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from service.backends.database import Database
from service.backends.redis import connect_redis
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank_if_due
from tests.support.nursery import find_nursery
from tests.support.up_process import STOP_SECONDS, clean_environment


@contextmanager
def killed_in_turn(what: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Have a process refresh or `rerank`, and kill it at the end of the block."""
    worker = find_nursery().fork(
        __name__, [what], clean_environment() | dict(environment), output=1, errors=2
    )
    try:
        yield
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(STOP_SECONDS)


async def _refresh(database: Database, settings: Settings) -> None:
    refresher = Refresher(database, connect_redis(settings), settings)
    while (await refresher.refresh()).more:
        pass


async def _take_turn(what: str) -> None:
    settings = load_settings()
    database = Database(settings, application_name="leaderboard worker")
    await database.open()
    if what == "rerank":
        await rerank_if_due(database, settings.slice_standings)
    else:
        await _refresh(database, settings)


if __name__ == "__main__":
    asyncio.run(_take_turn(sys.argv[1]))
