"""One API process: `python -m service`."""

import asyncio
import os
import socket

import click
import uvicorn

from service.app import create_app
from service.cli import run_command
from service.logs import configure_logging
from service.settings import load_settings
from service.supervisor.listening import bind_listener

_GRACE_SECONDS = 10
# Longer than any usual client keeps an idle connection, so that it is the client who closes: the
# other way round a request can meet a connection that is just going away.
_KEEP_ALIVE_SECONDS = 75


class _Server(uvicorn.Server):
    """Uvicorn that says when it serves, and tells the app of the end before it waits for it."""

    def __init__(
        self, config: uvicorn.Config, *, closing: asyncio.Event, ready_fd: int | None
    ) -> None:
        super().__init__(config)
        self._closing = closing
        self._ready_fd = ready_fd

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready_fd is not None:
            os.write(self._ready_fd, b"\n")
            os.close(self._ready_fd)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Event streams never end by themselves, and uvicorn waits for open connections.
        self._closing.set()
        await super().shutdown(sockets)


@click.command()
@click.option("--fd", type=int, help="Serve on this inherited listening socket.")
@click.option("--ready-fd", type=int, help="Write a byte to this descriptor once it serves.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="TCP port."
)
def serve(fd: int | None, ready_fd: int | None, host: str, port: int) -> None:
    """Serve the API in this process."""
    settings = load_settings()
    configure_logging(settings)
    listener = socket.socket(fileno=fd) if fd is not None else bind_listener(host, port)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    _Server(config, closing=app.state.closing, ready_fd=ready_fd).run(sockets=[listener])


if __name__ == "__main__":
    run_command(serve, name="python -m service")
