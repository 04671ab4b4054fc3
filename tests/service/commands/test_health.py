"""`leaderboard health`, which containers ask."""

import os
import socket
import time
from asyncio import to_thread
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis.asyncio import Redis

from service.backends.heartbeats import HeartbeatSender, note_round
from service.backends.redis import WORKER_PROCESSES_KEY
from service.commands.health import health
from service.counters import WorkerCounters
from service.errors import UsageError
from service.settings.settings import Settings
from service.status.schemas import WorkerHeartbeat, WorkerProcess
from tests.support.waiting import wait_until


def ask(*arguments: str | Path) -> Result:
    return CliRunner().invoke(health, [str(one) for one in arguments])


def describe() -> WorkerHeartbeat:
    process = WorkerProcess(socket.gethostname(), os.getpid(), datetime.now(UTC), threads=1)
    return WorkerHeartbeat(process=process, figures=WorkerCounters())


def find_refusal(*arguments: str | Path) -> str:
    result = ask(*arguments)
    assert isinstance(result.exception, UsageError), result.exception
    return str(result.exception)


def test_scheduler_is_well_after_a_round(tmp_path: Path) -> None:
    note_round(tmp_path / "rounds")
    assert ask("scheduler", tmp_path / "rounds").exit_code == 0


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (None, "got through a round yet"),
        (200.0, "last got through a round 200 s ago"),
        # The machine was started anew since, and its clock with it.
        (-3600.0, "got through a round yet"),
    ],
)
def test_scheduler_is_not_well_without_a_round(
    ago: float | None, said: str, tmp_path: Path
) -> None:
    rounds = tmp_path / "rounds"
    if ago is not None:
        rounds.write_text(str(time.monotonic() - ago))
    assert said in find_refusal("scheduler", rounds)


def test_file_of_somebody_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "rounds").write_text("yesterday")
    assert "does not tell when the last round was" in find_refusal("scheduler", tmp_path / "rounds")


async def test_worker_is_well_while_it_is_heard_of(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", settings.require_redis_url())
    said = await to_thread(find_refusal, "worker")
    assert said == f"no worker on {socket.gethostname()} was heard of in the last seconds"
    sender = HeartbeatSender(redis, WORKER_PROCESSES_KEY, "this", describe)
    sender.start()

    async def is_well() -> bool:
        return (await to_thread(ask, "worker")).exit_code == 0

    await wait_until(is_well)
    await sender.stop()
    assert "no worker" in await to_thread(find_refusal, "worker")
