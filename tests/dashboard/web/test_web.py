"""The console in a browser: a real web server, real websockets, no service behind it."""

import asyncio
import re
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest
import pytest_asyncio

from tests.support.console.web_server import (
    PATIENCE_SECONDS,
    WebServer,
    serve_console,
    wait_for_address,
    wait_for_text,
)
from tests.support.waiting import wait_until

# One server is for all tests that leave it as it was, and lives in one loop with them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[WebServer]:
    async with serve_console() as server:
        yield server


async def test_the_page_names_no_outside_host(shared: WebServer) -> None:
    async with shared.client.get(shared.url) as response:
        policy = response.headers["Content-Security-Policy"]
        page = await response.text()
    assert policy.startswith("default-src 'self';")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assets.remove("data:,")
    # Relative, so that a proxy may serve the page under a path of its own.
    assert "static/js/textual.js" in assets
    own = [page]
    for path in assets:
        status, text = await shared.read_text(f"/{path}")
        assert status == 200, path
        if not path.startswith("static/js"):
            own.append(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    for text in own:
        assert re.findall(r"""["'(=\s]((?:https?:|wss?:)?//\w[^"')\s]*)""", text) == []
    async with shared.client.get(
        shared.url + "/static/fonts/RobotoMono-VariableFont_wght.ttf"
    ) as font:
        assert font.status == 200


async def test_every_screen_is_a_page_wherever_a_proxy_serves_it(shared: WebServer) -> None:
    for path, root in {
        "/": "",
        "/live?board=weekly": "",
        "/health": "",
        "/simulate": "",
        "/player": "",
        "/player/4711?board=weekly&season=3": "../",
        "/player/a%2Fb": "../",
    }.items():
        status, page = await shared.read_text(path)
        assert status == 200, path
        assert f'src="{root}static/js/textual.js"' in page
        assert f'src="{root}console.js"' in page
        assert "{root}" not in page


async def test_a_path_that_leads_nowhere_is_one_line() -> None:
    async with serve_console(stderr=PIPE) as server:
        for path, told in {
            "/nowhere": "no page has this path: there are /live, /player/ID, /simulate/RUN and",
            "/player/%FF": "this path is not UTF-8: there are /live, /player/ID",
            "/live?board=No+such": "board: 1 to 64 of a-z, 0-9 and -, like weekly-laps",
            "/live?season=x": "season: the number of a season, from 1",
            "/live?x=1": "behind the ? of this path only board, season, compare and open are known",
        }.items():
            status, text = await server.read_text(path)
            assert status == 404, path
            assert text.startswith(told), text
            assert text.count("\n") == 1
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await server.look(server.url, path)
            assert refused.value.status == 400
        server.process.terminate()
        assert await asyncio.wait_for(server.process.communicate(), PATIENCE_SECONDS) == (b"", b"")


async def test_a_page_opens_on_its_screen_and_follows_its_address(shared: WebServer) -> None:
    async with shared.look(shared.url, "/health?board=weekly") as socket:
        assert await wait_for_address(socket) == "/health?board=weekly"
        await socket.send_json(["stdin", "3"])
        assert await wait_for_address(socket) == "/simulate?board=weekly"
        await socket.send_json(["go", "/live?board=laps&season=2"])
        assert await wait_for_address(socket) == "/live?board=laps&season=2"
        await socket.send_json(["go", "/nowhere"])
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in socket:
                pass
        assert socket.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA


async def test_a_page_begins_with_the_focus_and_its_buttons_act(shared: WebServer) -> None:
    async with shared.look(shared.url, "/player") as socket:
        assert await wait_for_address(socket) == "/player"
        # Digits are screens, unless the field has the focus.
        await socket.send_json(["stdin", "4\r"])
        await wait_for_text(socket, "error: connection_refused")
        await socket.send_json(["act", "no.such"])
        await socket.send_json(["act", "mode.health"])
        assert await wait_for_address(socket) == "/health"
        await socket.send_json(["act", "console.keys"])
        await wait_for_text(socket, "Keys and words")


async def test_a_foreign_origin_is_refused(shared: WebServer) -> None:
    # Those of earlier tests may not have ended yet.
    before = psutil.Process(shared.process.pid).children()
    for origin in ("http://evil.example", "http://localhost:1", "null", "file://", "http://"):
        for path in ("/", "/ws", "/static/js/textual.js", "/download/x"):
            answer = await shared.read_text(path, Origin=origin)
            assert answer == (403, "refused: foreign origin\n"), (origin, path)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await shared.look(origin)
        assert refused.value.status == 403, origin
    assert set(psutil.Process(shared.process.pid).children()) <= set(before)


async def test_an_unknown_host_is_refused_as_its_name_may_have_been_pointed_here() -> None:
    async with serve_console("--allow-host", "Board.example") as server:
        port = server.url.rpartition(":")[2]
        for host, status in {
            f"evil.example:{port}": 403,
            "[": 403,
            "": 403,
            f"127.0.0.1:{port}": 200,
            f"[::1]:{port}": 200,
            "BOARD.example": 200,
        }.items():
            assert (await server.read_text("/", Host=host))[0] == status, host
        same = {"Host": "board.example", "Origin": "https://board.example"}
        assert (await server.read_text("/", **same))[0] == 200


async def test_what_follows_a_refused_tunnel_is_no_request(shared: WebServer) -> None:
    host = shared.url.removeprefix("http://")
    inner = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    head = f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(inner)}\r\n\r\n"
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        writer.write(head.encode() + inner)
        answers = await reader.read()
    finally:
        writer.close()
    assert answers.startswith(b"HTTP/1.1 405 ")
    assert answers.count(b"HTTP/1.1 ") == 1


async def test_what_no_page_of_ours_would_send_is_refused_without_a_trace() -> None:
    messages = [
        "nonsense",
        '["stdin", 7]',
        '["stdin", "\\ud800"]',
        '["resize", {"width": 1000000000, "height": 24}]',
        "[" * 100_000,
    ]
    sizes = ["0x1", "0x24", "120x1001", "-1x24", "9999999999x24", "ax24"]
    async with serve_console(stderr=PIPE) as server:
        assert await server.read_text("/ws") == (
            400,
            "this is the console's websocket; its page is at /\n",
        )
        for width, height in (size.split("x") for size in sizes):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await server.client.ws_connect(f"{server.url}/ws?width={width}&height={height}")
            assert refused.value.status == 400
        assert psutil.Process(server.process.pid).children() == []
        for message in messages:
            async with server.look(server.url) as socket, asyncio.timeout(PATIENCE_SECONDS):
                await socket.send_str(message)
                async for _ in socket:
                    pass
                assert socket.close_code == aiohttp.WSCloseCode.UNSUPPORTED_DATA, message
        server.process.terminate()
        assert await asyncio.wait_for(server.process.communicate(), PATIENCE_SECONDS) == (b"", b"")


async def test_a_browser_watches_and_starts_nothing(shared: WebServer) -> None:
    async with shared.look(shared.url) as socket:
        await wait_for_text(socket, "nothing answers")
        await socket.send_json(["stdin", "3"])
        await wait_for_text(socket, "Simulate")
        await socket.send_json(["stdin", "s"])
        await wait_for_text(socket, "Refused: this console only looks")


async def test_a_browser_is_allowed_to_simulate_and_to_moderate() -> None:
    options = ("--allow-simulation", "--allow-moderation")
    async with serve_console(*options) as server, server.look(None) as socket:
        await wait_for_text(socket, "nothing answers")
        (console,) = psutil.Process(server.process.pid).children()
        assert set(options) < set(console.cmdline())


async def test_consoles_end_with_their_browsers_and_with_the_server() -> None:
    async with serve_console() as server:
        parent = psutil.Process(server.process.pid)
        async with server.look(server.url) as first:
            await wait_for_text(first, "nothing answers")
            (gone,) = parent.children()
        await wait_until(lambda: not gone.is_running())
        async with server.look(server.url) as second:
            await wait_for_text(second, "nothing answers")
            (left,) = parent.children()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(server.process.wait(), PATIENCE_SECONDS) == 0
            # A server does not wait for ever for a console that ends slowly.
            await wait_until(lambda: not left.is_running())
