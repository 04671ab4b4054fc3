"""The API's processes on one listening socket, alone (`leaderboard api`) or as part of `up`."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.local.embedded.child_logs import Log
from service.local.embedded.processes import Part
from service.local.supervisor.listener import bind_listener, find_url
from service.local.supervisor.network_guard import guard_network
from service.local.supervisor.programs import Program
from service.local.supervisor.supervisor import Supervisor
from service.local.supervisor.terminal import print_line, print_ready
from service.settings.settings import Settings

# Longer than the API itself gives its requests to finish.
_STOP_SECONDS: Final = 15.0


def make_api_programs(
    listener: socket.socket,
    processes: int,
    environment: Mapping[str, str],
    logs: Path | None,
    *,
    insecure: bool,
) -> list[Program]:
    """Return the API's processes, not started yet.

    They share the socket, which stays open here: a connection that waits in its queue survives the
    end of any of them.
    """
    descriptor = listener.fileno()
    programs = []
    for number in range(1, processes + 1):
        suffix = f" {number}" if processes > 1 else ""
        programs.append(
            Program(
                f"API{suffix}",
                "service.api",
                arguments=["--fd", str(descriptor), *(["--insecure"] if insecure else [])],
                pass_fds=[descriptor],
                environment=environment,
                log=Log(logs / f"api{suffix.replace(' ', '-')}.log") if logs else None,
                stop_seconds=_STOP_SECONDS,
            )
        )
    return programs


def run_api(settings: Settings, *, host: str, port: int, processes: int, insecure: bool) -> None:
    """Serve the API with the servers of the settings until a stop is requested."""
    settings.require_database_url()
    settings.require_broker_url()
    with contextlib.closing(bind_listener(host, port)) as listener:
        asyncio.run(_serve(settings, listener, processes, insecure=insecure))


async def _serve(
    settings: Settings, listener: socket.socket, processes: int, *, insecure: bool
) -> None:
    supervisor = Supervisor()
    programs = make_api_programs(listener, processes, os.environ, logs=None, insecure=insecure)
    started = time.monotonic()

    def announce(part: Part) -> None:
        print_ready(part.name, time.monotonic() - started, "")

    async def bring_up() -> None:
        await guard_network(settings, listener, insecure=insecure)
        await supervisor.start(programs, announce)
        supervisor.roll_on_request(programs)
        print_line(f"Ready: {find_url(listener)}")

    with supervisor.handling_signals():
        try:
            await supervisor.run(bring_up)
        finally:
            listener.close()
            await supervisor.stop(programs)
    print_line("Stopped.")
