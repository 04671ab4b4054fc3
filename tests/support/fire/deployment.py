"""A whole deployment as real processes, to be killed and started again while it serves."""

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from service.local.embedded import PostgresServer, ValkeyServer
from service.local.embedded.child_logs import Log
from service.local.embedded.server import EmbeddedServer
from service.local.supervisor.listener import bind_listener, find_url
from service.schema.migrate import migrate
from service.settings.settings import Settings, load_settings
from tests.support.fire.programs import START_SECONDS, STOP_SECONDS, ForkedProgram
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until

_QUOTED_LOG_LINES = 15


class Deployment:
    """PostgreSQL, Valkey, two API processes on one socket, two workers and the scheduler.

    PostgreSQL syncs to disk: what it has committed has to survive its own end.
    """

    def __init__(self, directory: Path) -> None:
        self.postgres = PostgresServer(directory)
        self.valkey = ValkeyServer(directory)
        self.settings: Settings = load_settings(
            database_url=self.postgres.url, redis_url=self.valkey.url
        )
        self.api: list[ForkedProgram] = []
        self.programs: list[ForkedProgram] = []
        self._logs = self.postgres.directory.logs
        self._serving: set[ForkedProgram] = set()

    @property
    def serving(self) -> list[ForkedProgram]:
        """The programs that are ready now, in a fixed order."""
        return [program for program in self.programs if program in self._serving]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Have everything up inside the block, where nothing may end unless it is killed.

        Gives the URL of the API.
        """
        try:
            with (
                self.postgres,
                self.valkey,
                closing(bind_listener("127.0.0.1", 0)) as listener,
            ):
                await migrate(self.postgres.url)
                self._make_programs(listener)
                async with asyncio.TaskGroup() as starts:
                    for program in self.programs:
                        starts.create_task(self.start(program))
                yield find_url(listener)
                self._check_serving()
        except BaseException as error:
            error.add_note(self._quote_logs())
            raise
        finally:
            for program in self.programs:
                program.close()

    async def start(self, program: ForkedProgram) -> None:
        """Start a program and wait until it serves."""
        await program.start()
        self._serving.add(program)

    async def end(self, program: ForkedProgram, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a program that serves a signal that ends it, and wait until it has ended."""
        self._check_serving()
        self._serving.remove(program)
        await program.end(number)

    async def kill_server(self, server: EmbeddedServer) -> None:
        """End the first process of PostgreSQL or Valkey with SIGKILL."""
        process = server.process
        assert process is not None
        assert process.poll() is None, f"{server.name} ended by itself"
        process.kill()
        await wait_until(lambda: process.poll() is not None, seconds=STOP_SECONDS)

    async def restart_server(self, server: EmbeddedServer) -> None:
        """Start a killed server on the files that it left, without holding up its clients here."""
        server.prepare()
        process = server.launch()
        await wait_until(
            lambda: server.is_ready() or process.poll() is not None, seconds=START_SECONDS
        )
        assert process.poll() is None, server.explain_failure()

    def _make_programs(self, listener: socket.socket) -> None:
        environment = make_environment(self.settings)

        def make(name: str, module: str, listener: socket.socket | None = None) -> ForkedProgram:
            return ForkedProgram(
                name,
                module,
                environment=environment,
                log=Log(self._logs / f"{name}.log"),
                listener=listener,
            )

        self.api = [make(f"api-{number}", "service.api", listener) for number in (1, 2)]
        workers = [make(f"worker-{number}", "workers") for number in (1, 2)]
        self.programs = [*self.api, *workers, make("scheduler", "workers.scheduler")]

    def _check_serving(self) -> None:
        ended = [program.name for program in self.serving if not program.is_running()]
        assert ended == [], "ended by themselves"

    def _quote_logs(self) -> str:
        quoted: list[str] = []
        for log in sorted(self._logs.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()
            quoted += [f"--- {log.name}", *lines[-_QUOTED_LOG_LINES:]]
        return "\n".join(quoted)


def make_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a program that uses the servers of these settings."""
    return {
        **clean_environment(),
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
        "BROKER_URL": settings.require_broker_url(),
        "TZ": "UTC",
    }


async def pause(chance: random.Random, longest_seconds: float) -> None:
    """Let a random time pass."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), chance.uniform(0.0, longest_seconds))


@asynccontextmanager
async def run_api_program(
    settings: Settings, log: Path
) -> AsyncIterator[tuple[ForkedProgram, str]]:
    """Run one API process until the end of the block; give it, and its URL."""
    with (
        closing(bind_listener("127.0.0.1", 0)) as listener,
        closing(
            ForkedProgram(
                "api",
                "service.api",
                environment=make_environment(settings),
                log=Log(log),
                listener=listener,
            )
        ) as api,
    ):
        await api.start()
        yield api, find_url(listener)
