"""A real Chromium without a window, spoken to by its DevTools protocol."""

import asyncio
import base64
import itertools
import json
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

PATIENCE_SECONDS = 60

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,800",
    "--remote-debugging-port=0",
)
_KEPT = ("Content-Type", "Content-Security-Policy", "Location")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Page:
    """One page: what its websocket was sent, what it asked for, and keys pressed in it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self.drawn = ""
        self.asked: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._moved = asyncio.Event()

    async def listen(self) -> None:
        """Take in what the browser tells."""
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Network.webSocketFrameReceived":
                frame = told["params"]["response"]
                data = base64.b64decode(frame["payloadData"]) if frame["opcode"] == 2 else b""
                self.drawn += data.decode(errors="replace")
            elif told["method"] == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            self._moved.set()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser to do something and return its result."""
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        told = await asyncio.wait_for(answer, PATIENCE_SECONDS)
        assert "error" not in told, told
        result: dict[str, Any] = told["result"]
        return result

    async def evaluate(self, script: str) -> Any:
        """Return what a script in the page comes to; a promise is awaited."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    async def press(self, key: str) -> None:
        """Press a key that writes a character."""
        for kind in ("keyDown", "keyUp"):
            text = key if kind == "keyDown" else ""
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text)

    async def become_phone(self, *, scale: int = 2) -> None:
        """Have the screen of a phone that is held upright, for the next page of this site."""
        await self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        await self.set_size(390, 844, scale=scale, mobile=True)

    async def set_size(
        self, width: int, height: int, *, scale: int = 1, mobile: bool = False
    ) -> None:
        """Have a screen of that many pixels, with `scale` by `scale` dots for each."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    async def tap(self, selector: str) -> None:
        """Touch an element for a moment."""
        await self.touch(await self._find_middle(selector))

    async def touch(self, place: dict[str, float]) -> None:
        """Touch a place on the page for a moment."""
        await self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
        await self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def draw_finger(self, selector: str, down: int) -> None:
        """Draw a finger from the middle of an element downwards, or upwards below 0, in pixels."""
        place = await self._find_middle(selector)
        await self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
        for _ in range(10):
            place["y"] += down / 10
            await self.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[place])
        await self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def _find_middle(self, selector: str) -> dict[str, float]:
        place: dict[str, float] = await self.evaluate(
            f"""(() => {{
                const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();
                return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }};
            }})()"""
        )
        return place

    async def wait_for_text(self, wanted: str) -> None:
        """Wait until the words were drawn, and forget what was drawn up to now."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wanted not in _ESCAPES.sub("", self.drawn):
                self._moved.clear()
                await self._moved.wait()
        self.drawn = ""


@asynccontextmanager
async def open_page(url: str, profile: Path) -> AsyncIterator[Page]:
    """Open a page in a Chromium of its own."""
    process = await asyncio.create_subprocess_exec(
        "chromium",
        *_FLAGS,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        address = await asyncio.wait_for(_read_address(process), PATIENCE_SECONDS)
        async with aiohttp.ClientSession() as client:
            async with client.get(f"http://{address}/json") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            async with client.ws_connect(
                pages[0]["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket:
                page = Page(socket)
                listening = asyncio.create_task(page.listen())
                for domain in ("Network", "Page", "Runtime"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=url)
                yield page
                listening.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@asynccontextmanager
async def serve_below(prefix: str, url: str) -> AsyncIterator[str]:
    """Serve a site under a path of its own, as a proxy does that takes this path away."""
    async with aiohttp.ClientSession(url) as client:

        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.raw_path.removeprefix(prefix)
            host = {"Host": request.host}
            if "Upgrade" not in request.headers:
                async with client.get(URL(path, encoded=True), headers=host) as inner:
                    kept = {name: inner.headers[name] for name in _KEPT if name in inner.headers}
                    return web.Response(status=inner.status, body=await inner.read(), headers=kept)
            outer = web.WebSocketResponse()
            await outer.prepare(request)
            async with client.ws_connect(URL(path, encoded=True), headers=host) as socket:
                await asyncio.wait(
                    [
                        asyncio.create_task(_pass_on(socket, outer)),
                        asyncio.create_task(_pass_on(outer, socket)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            return outer

        proxy = web.Application()
        proxy.router.add_get(prefix + "/{path:.*}", answer)
        runner = web.AppRunner(proxy, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield "http://{}:{}{}".format(*runner.addresses[0][:2], prefix)
        finally:
            await runner.cleanup()


async def _pass_on(
    source: aiohttp.ClientWebSocketResponse[Any] | web.WebSocketResponse,
    target: aiohttp.ClientWebSocketResponse[Any] | web.WebSocketResponse,
) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)


async def _read_address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        found = re.search(rb"DevTools listening on ws://([^/]+)/", line)
        if found:
            return found[1].decode()
    raise AssertionError("chromium ended")
