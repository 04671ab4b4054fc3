"""Serves the console to browsers, each with a process of its own."""

import asyncio
import json
import os
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from dashboard.state.address import UnknownAddress, read_address
from dashboard.web.guard import Guard, add_headers

MOST_SESSIONS: Final = 32
"""Each is a process of some 60 MB."""

MOST_CELLS: Final = 1_000
"""Widest and highest terminal: what is drawn grows with it."""

_FOLDER: Final = Path(__file__).parent
_FILES: Final = ("console.css", "console.js")
_DRIVER: Final = "dashboard.web.driver:LinkDriver"
_PAGE: Final = (_FOLDER / "page.html").read_text()
_LEAST_SIZE: Final = {"width": 80, "height": 24}
_HEARTBEAT_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 5.0


class WebConsole(Server):
    """textual-serve with a page of our own, all assets included, behind a guard."""

    def __init__(self, command: Sequence[str], names: Sequence[str]) -> None:
        # Without `exec` a shell would stand between us and the console.
        super().__init__(f"exec {shlex.join(command)}", title="leaderboard")
        self._guard = Guard(names)
        self._sessions: set[asyncio.Task[object]] = set()

    def make_app(self) -> web.Application:
        """Return the application, not started yet."""
        app = web.Application(middlewares=[self._guard.check])
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self.on_shutdown)
        for name in _FILES:
            app.router.add_get(f"/{name}", _make_file_handler(_FOLDER / name))
        app.router.add_get("/ws", self.handle_websocket)
        app.router.add_get("/download/{key}", self.handle_download)
        app.router.add_static("/static", self.statics_path)
        app.router.add_get("/{path:.*}", _answer_page)
        return app

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run a console for as long as the browser is connected."""
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise web.HTTPBadRequest(text="this is the console's websocket; its page is at /\n")
        if not all(_is_size(request.query.get(side, "1")) for side in ("width", "height")):
            raise web.HTTPBadRequest(text=f"width and height go from 1 to {MOST_CELLS}\n")
        address = request.query.get("at", "/")
        try:
            read_address(address)
        except UnknownAddress as error:
            raise web.HTTPBadRequest(text=f"at: {error}\n") from error
        if len(self._sessions) >= MOST_SESSIONS:
            raise web.HTTPServiceUnavailable(text="too many browsers look already\n")
        session = asyncio.current_task()
        if session is None:
            raise web.HTTPServiceUnavailable
        self._sessions.add(session)
        try:
            return await self._run_session(request, address)
        finally:
            self._sessions.discard(session)

    async def _run_session(self, request: web.Request, address: str) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS)
        await websocket.prepare(request)
        session = _Session(
            f"TEXTUAL_DRIVER={_DRIVER} {self.command} --open {shlex.quote(address)}",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=lambda: _close(websocket),
            download_manager=self.download_manager,
        )
        try:
            try:
                size = (int(request.query.get(side, least)) for side, least in _LEAST_SIZE.items())
                await session.start(*size)
                await self._process_messages(websocket, session)
            finally:
                await session.stop()
        except asyncio.CancelledError:
            # The server stops. The console has ended by now; the browser may take its time.
            await websocket.close()
        return websocket

    async def _process_messages(
        self, websocket: web.WebSocketResponse, app_service: AppService
    ) -> None:
        """Forward the browser's messages until it leaves or sends one that our page never would."""
        async for message in websocket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                if await _forward(json.loads(message.data), websocket, app_service):
                    continue
            except (ValueError, RecursionError):
                # Not JSON, or not UTF-8.
                pass
            await websocket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"not understood")

    async def on_shutdown(self, app: web.Application) -> None:
        """End the browsers' consoles, which would otherwise run for ever."""
        sessions = set(self._sessions)
        for session in sessions:
            session.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=_STOP_SECONDS)


class _Session(AppService):
    """The console of one browser."""

    async def stop(self) -> None:
        """Stop it and wait until it has ended: only then the pipe to its input is closed."""
        await super().stop()
        if self._process is not None:
            await self._process.wait()


async def serve(console: WebConsole, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(console.make_app(), access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        on_ready()
        await stop.wait()
    finally:
        await runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes any free one. Raises `OSError`."""
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server((host, port), family=family)


def find_url(listener: socket.socket) -> str:
    """Return a URL that a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    if host in {"127.0.0.1", "::1", "0.0.0.0", "::"}:  # noqa: S104
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Tell whether only this machine can reach it."""
    return ip_address(listener.getsockname()[0]).is_loopback


def tell_ready(descriptor: int) -> None:
    """Tell the supervisor that the console is being served."""
    os.write(descriptor, b"\n")
    os.close(descriptor)


async def _close(websocket: web.WebSocketResponse) -> None:
    await websocket.close()


async def _forward(
    envelope: object, websocket: web.WebSocketResponse, app_service: AppService
) -> bool:
    """Forward a browser's message; False where it is not a valid one."""
    match envelope:
        case ["stdin", str(keys)]:
            await app_service.send_bytes(keys.encode())
        case ["resize", {"width": int(width), "height": int(height)}] if (
            0 < width <= MOST_CELLS and 0 < height <= MOST_CELLS
        ):
            await app_service.set_terminal_size(width, height)
        case ["ping", str() | int() | float() | None as number]:
            await websocket.send_json(["pong", number])
        case ["go", str(address)]:
            # One that leads nowhere is a ValueError, as what is not JSON.
            read_address(address)
            await app_service.send_meta({"type": "go", "address": address})
        case ["act", str(action)]:
            await app_service.send_meta({"type": "act", "action": action})
        case ["blur", *_]:
            await app_service.blur()
        case ["focus", *_]:
            await app_service.focus()
        case _:
            return False
    return True


def _is_size(text: str) -> bool:
    return text.isdecimal() and len(text) < 10 and 0 < int(text) <= MOST_CELLS


async def _answer_page(request: web.Request) -> web.StreamResponse:
    """Answer with the page, or with a line that says which pages there are."""
    try:
        read_address(request.raw_path)
    except UnknownAddress as error:
        raise web.HTTPNotFound(text=f"{error}\n") from error
    # Up from this page, so that a proxy may serve all of it under a path that nobody tells.
    root = "../" * (urlsplit(request.raw_path).path.count("/") - 1)
    return web.Response(
        text=_PAGE.replace("{root}", root),
        content_type="text/html",
        headers={"Cache-Control": "no-cache"},
    )


def _make_file_handler(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    return answer
