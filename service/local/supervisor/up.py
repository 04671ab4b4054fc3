"""`leaderboard up`: everything on this machine, started in order and stopped in reverse."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from typing import Final

from service.local.embedded import PostgresServer, StartFailed, ValkeyServer
from service.local.embedded.child_logs import Log
from service.local.embedded.data_directory import DataDirectory, explain_os_errors
from service.local.embedded.processes import Part, StopPlan, spawn, stop_leftovers, stop_process
from service.local.embedded.server import EmbeddedServer
from service.local.supervisor.api_processes import make_api_programs
from service.local.supervisor.instance import hold_directory, publish_instance
from service.local.supervisor.listener import bind_listener, find_url
from service.local.supervisor.network_guard import guard_network
from service.local.supervisor.programs import Program, find_programs, python_command
from service.local.supervisor.supervisor import Supervisor
from service.local.supervisor.terminal import describe_path, print_line, print_ready
from service.settings.settings import Settings
from service.settings.urls import describe_address

_SCHEDULER_STOP_SECONDS: Final = 5.0
_WORKER_STOP_SECONDS: Final = 35.0
_WEB_STOP_SECONDS: Final = 8.0
_LEFTOVER_STOP_PLAN: Final[StopPlan] = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
_LOG_CHECK_SECONDS: Final = 60.0


def run_up(
    settings: Settings,
    *,
    host: str,
    port: int,
    processes: int,
    insecure: bool,
    web_port: int | None = None,
) -> None:
    """Run everything until a stop is requested, with a console for browsers on `web_port`.

    Raises `UsageError` with one line where that is not possible; nothing is left running then.
    """
    directory = DataDirectory(settings.data_dir)
    with hold_directory(directory):
        directory.create_folders()
        _stop_leftover_programs(directory)
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(bind_listener(host, port))
            web_listener = None
            if web_port is not None:
                web_listener = stack.enter_context(
                    bind_listener(host, web_port, option="--web-port")
                )
            up = _Up(settings, directory, listener, processes, web_listener, insecure=insecure)
            asyncio.run(up.run())


class _Up:
    """The parts of one run and their order."""

    def __init__(
        self,
        settings: Settings,
        directory: DataDirectory,
        listener: socket.socket,
        processes: int,
        web_listener: socket.socket | None,
        *,
        insecure: bool,
    ) -> None:
        self._settings = settings
        self._insecure = insecure
        self._directory = directory
        self._listener = listener
        self._web_listener = web_listener
        self._supervisor = Supervisor()
        self._postgres: EmbeddedServer | None = None
        self._valkey: EmbeddedServer | None = None
        if settings.database_url is None:
            self._postgres = PostgresServer(directory.path, report=print_line)
        if settings.redis_url is None:
            self._valkey = ValkeyServer(directory.path, report=print_line)
        self._database_url = (
            self._postgres.url if self._postgres else settings.require_database_url()
        )
        self._redis_url = self._valkey.url if self._valkey else settings.require_redis_url()
        self._broker_url = settings.model_copy(
            update={"redis_url": self._redis_url}
        ).require_broker_url()
        self._environment = {
            **os.environ,
            "DATABASE_URL": self._database_url,
            "REDIS_URL": self._redis_url,
            "BROKER_URL": self._broker_url,
            "LEADERBOARD_DATA_DIR": str(directory.path),
            # Of the times in their logs.
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",
        }
        self._api = make_api_programs(
            listener, processes, self._environment, directory.logs, insecure=insecure
        )
        self._worker = self._make_program("Worker", "workers", _WORKER_STOP_SECONDS)
        self._scheduler = self._make_program(
            "Scheduler", "workers.scheduler", _SCHEDULER_STOP_SECONDS
        )
        self._web = [self._make_web_program(web_listener)] if web_listener else []

    async def run(self) -> None:
        """Bring everything up, keep it up until a stop is requested, and stop it."""
        with self._supervisor.handling_signals():
            try:
                await self._supervisor.run(self._bring_up)
                print_line("Stopping (Ctrl-C again hurries)")
            finally:
                await self._stop()
        print_line("Stopped.")

    async def _bring_up(self) -> None:
        await self._start_server("PostgreSQL", self._postgres, self._database_url)
        await self._start_server("Valkey", self._valkey, self._redis_url)
        url = find_url(self._listener)
        publish_instance(
            self._directory,
            url=url,
            database_url=self._database_url,
            redis_url=self._redis_url,
            broker_url=self._broker_url,
        )
        await self._migrate()
        settings = self._settings.model_copy(update={"database_url": self._database_url})
        await guard_network(settings, self._listener, insecure=self._insecure)
        programs = [*self._api, self._worker, self._scheduler, *self._web]
        started = time.monotonic()
        await self._supervisor.start(programs, lambda part: _announce_program(part, started))
        self._supervisor.roll_on_request(self._api)
        if self._web_listener:
            print_line(f"Console: {find_url(self._web_listener)}")
        print_line(f"Ready: {url}  (Ctrl-C stops everything)")
        await self._keep_logs_small(programs)

    async def _start_server(self, name: str, server: EmbeddedServer | None, url: str) -> None:
        if server is None:
            print_ready(name, None, f"yours at {describe_address(url)}")
            return
        started = time.monotonic()
        server.prepare()
        title = f"{server.name} {server.find_version()}"
        where = describe_path(server.folder)
        await self._supervisor.start(
            [server], lambda _: print_ready(title, time.monotonic() - started, where)
        )

    async def _migrate(self) -> None:
        """Migrate in a process of its own, so that its libraries do not stay in memory."""
        started = time.monotonic()
        log = Log(self._directory.logs / "migrate.log")
        with explain_os_errors(self._directory.path), log.opened() as output:
            process = spawn(
                [*python_command("service.commands.main"), "migrate"],
                environment=self._environment,
                death_signal=signal.SIGKILL,
                output=output,
            )
        try:
            status = await self._supervisor.wait_for_end(process)
        finally:
            stop_process(process, _LEFTOVER_STOP_PLAN)
        if status != 0:
            reason = log.find_reason().removeprefix("error: ")
            raise StartFailed(f"the migrations failed: {reason}; log: {log.path}")
        print_ready("Schema", time.monotonic() - started, log.find_last_line())

    async def _keep_logs_small(self, programs: list[Program]) -> None:
        logs = [program.log for program in programs if program.log]
        logs += [server.log for server in (self._postgres, self._valkey) if server]
        while True:
            await asyncio.sleep(_LOG_CHECK_SECONDS)
            for log in logs:
                with contextlib.suppress(OSError):
                    log.trim()

    async def _stop(self) -> None:
        # Once the API's processes have closed theirs too, connections are refused at once.
        self._listener.close()
        if self._web_listener:
            self._web_listener.close()
        await self._supervisor.stop([*self._web, *self._api])
        await self._supervisor.stop([self._scheduler])
        await self._supervisor.stop([self._worker])
        for server in (self._valkey, self._postgres):
            if server:
                await self._supervisor.stop([server])
        self._directory.remove_empty_socket_directory()

    def _make_web_program(self, listener: socket.socket) -> Program:
        """Return the console for browsers, which knows no more of the service than its URL."""
        descriptor = listener.fileno()
        return Program(
            "Console",
            "dashboard",
            arguments=["--web", "--fd", str(descriptor), "--url", find_url(self._listener)],
            pass_fds=[descriptor],
            environment=self._environment,
            log=Log(self._directory.logs / "console.log"),
            stop_seconds=_WEB_STOP_SECONDS,
        )

    def _make_program(self, name: str, module: str, stop_seconds: float) -> Program:
        return Program(
            name,
            module,
            environment=self._environment,
            log=Log(self._directory.logs / f"{name.lower()}.log"),
            stop_seconds=stop_seconds,
        )


def _announce_program(part: Part, started: float) -> None:
    where = f"log {describe_path(part.log.path)}" if part.log else ""
    print_ready(part.name, time.monotonic() - started, where)


def _stop_leftover_programs(directory: DataDirectory) -> None:
    leftovers = find_programs(directory)
    if leftovers:
        stop_leftovers(leftovers, _LEFTOVER_STOP_PLAN)
        pids = ", ".join(str(process.pid) for process in leftovers)
        print_line(f"Stopped the programs that an earlier run had left (pid {pids})")
