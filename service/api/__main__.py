"""One API process: `python -m service.api`."""

import asyncio
import gc
import socket

import click
import uvicorn

from service.api.app import create_app
from service.api.connection_limits import ConnectionLimits, allow_descriptors
from service.api.openapi import describe
from service.api.server import DrainingProtocol, DrainingServer
from service.command_line import run_command
from service.local.supervisor.listener import bind_listener, is_loopback
from service.local.supervisor.network_guard import guard_network
from service.logs import configure_logging
from service.settings.settings import load_settings
from service.tracing.bootstrap import ensure_agent

_GRACE_SECONDS = 10
# Longer than any usual client keeps an idle connection, so that it is the client who closes: the
# other way round a request can meet a connection that is just going away.
_KEEP_ALIVE_SECONDS = 75
_YOUNG_OBJECTS = 20_000


@click.command()
@click.option("--fd", type=int, help="Serve on this inherited listening socket.")
@click.option("--ready-fd", type=int, help="Write a byte to this descriptor once it serves.")
@click.option("--insecure", is_flag=True, help="Serve any network without a key.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="TCP port."
)
def serve(*, fd: int | None, ready_fd: int | None, insecure: bool, host: str, port: int) -> None:
    """Serve the API in this process."""
    settings = load_settings()
    ensure_agent(settings, "service.api")
    configure_logging(settings)
    if fd is not None:
        listener = socket.socket(fileno=fd)
    else:
        listener = bind_listener(host, port)
        asyncio.run(guard_network(settings, listener, insecure=insecure))
    app = create_app(settings, may_be_open=insecure or is_loopback(listener))
    describe(app)
    _collect_seldom()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=DrainingProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    limits = ConnectionLimits(settings.connection_limit, settings.request_arrival_seconds)
    allow_descriptors(limits.connections)
    server = DrainingServer(config, closing=app.state.closing, limits=limits, ready_fd=ready_fd)
    server.run(sockets=[listener])


def _collect_seldom() -> None:
    """Look for cycles less often: Python's thresholds are for programs without many tasks.

    With those a tenth of the time of a request under load was spent on objects that were all alive.
    What there is by now, modules and application, stays for good.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


if __name__ == "__main__":
    run_command(serve, name="python -m service.api")
