"""The application in this process: called directly, or behind a real HTTP server."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import uvicorn
from litestar import Litestar

from service.api.app import create_app
from service.settings.settings import Settings
from tests.support.waiting import wait_until

# To read the certificates that the machine trusts takes a client 25 ms, and none is needed here.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@asynccontextmanager
async def run_app(app: Litestar) -> AsyncIterator[Litestar]:
    """Start the application, and stop it at the end of the block.

    It lives in a task of its own, because a fixture begins and ends in two.
    """
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ending.wait()

    living = asyncio.create_task(live())
    await wait_until(lambda: started.is_set() or living.done())
    if living.done():
        living.result()
    try:
        yield app
    finally:
        ending.set()
        await living


def connect_client(app: Litestar) -> httpx.AsyncClient:
    """Return a client that calls the application; it gets an answer only when that is complete."""
    # The two spell the same ASGI types differently.
    transport = httpx.ASGITransport(cast("Any", app))
    return httpx.AsyncClient(transport=transport, base_url="http://leaderboard")


@asynccontextmanager
async def serve_app(settings: Settings) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    """Serve until the end of the block, then stop as a process does that is told to."""
    app = create_app(settings)
    config = uvicorn.Config(
        app, lifespan="on", log_config=None, ws="none", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wait_until(lambda: server.started or serving.done())
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, verify=_NO_CERTIFICATES, timeout=30) as client:
            yield app, client
    finally:
        app.state.closing.set()
        server.should_exit = True
        await serving
        listener.close()
