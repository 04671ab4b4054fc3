"""The console in a real browser. Needs `chromium`, as Debian has it."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest_asyncio
from aiohttp import web

from service.backends.database import Database
from service.settings.settings import Settings
from service.standings.refresh.refresh import Refresher
from tests.support.browsing import open_page, serve_below
from tests.support.console.web_server import WebServer, serve_console
from tests.support.factories import make_players_with_scores
from tests.support.serving import serve_app

CALL_LIVE = """
    (async () => {
        const wait = async (find) => {
            for (;;) {
                const found = find();
                if (found) return found;
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
        };
        const find = (kind, within) => wait(() => (within || document).querySelector(kind));
        await find(".btn.authorize");
        const call = (await find("[data-path='/health/live']")).closest(".opblock");
        call.querySelector(".opblock-summary-control").click();
        (await find(".execute", call)).click();
        return (await find(".live-responses-table .microlight", call)).textContent;
    })()
"""

OPEN_SOCKET = """
    new Promise((resolve) => {
        const socket = new WebSocket("%s/ws?width=80&height=24");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
    })
"""


WAIT_FOR_PATH = """
    new Promise((resolve) => {
        const look = () =>
            location.pathname === "%s" ? resolve("there") : setTimeout(look, 20);
        look();
    })
"""


READ_BAR = """
    (() => {
        const { width, bottom } = document.getElementById("bar").getBoundingClientRect();
        const buttons = [...document.querySelectorAll("#bar button")];
        return { width, bottom, least: Math.min(...buttons.map((one) => one.offsetHeight)) };
    })()
"""


@pytest_asyncio.fixture
async def server(
    settings: Settings, database: Database, refresher: Refresher
) -> AsyncIterator[WebServer]:
    await make_players_with_scores(database, [7_654_321, 20, 10])
    await refresher.refresh()
    async with (
        serve_app(settings) as (_, client),
        serve_console("--url", str(client.base_url)) as console,
    ):
        yield console


async def test_the_board_appears_and_keys_work(server: WebServer, tmp_path: Path) -> None:
    async with open_page(server.url, tmp_path) as page:
        await page.wait_for_text("7,654,321")
        await page.press("2")
        await page.wait_for_text("Type a player's id or exact name")
        for key in "1\r":
            await page.press(key)
        await page.wait_for_text("first of all")
        picture = await page.call("Page.captureScreenshot")
        # A page on which nothing is painted is some 5 KB.
        assert len(base64.b64decode(picture["data"])) > 20_000
        hosts = {urlsplit(url).netloc for url in page.asked if not url.startswith("data:")}
        assert hosts == {urlsplit(server.url).netloc}


async def test_the_address_is_a_link_behind_a_proxy(server: WebServer, tmp_path: Path) -> None:
    async with (
        serve_below("/lb", server.url) as url,
        open_page(f"{url}/player/1", tmp_path) as page,
    ):

        async def wait_for_path(path: str) -> None:
            assert await page.evaluate(WAIT_FOR_PATH % f"/lb{path}") == "there"

        await page.wait_for_text("first of all")
        await wait_for_path("/player/1")
        await page.press("4")
        await wait_for_path("/health")
        await page.press("1")
        await wait_for_path("/live")
        await page.evaluate("history.back()")
        await page.wait_for_text("Flow of scores")
        await page.evaluate("history.back()")
        await page.wait_for_text("first of all")
        await wait_for_path("/player/1")
        await page.evaluate("history.forward()")
        await page.wait_for_text("Flow of scores")
        asked = [urlsplit(one) for one in page.asked if one.startswith("http")]
        assert all(one.path.startswith("/lb/") for one in asked)
        # All of this was one page.
        assert [one.path for one in asked].count("/lb/console.js") == 1


async def test_a_phone_has_sixty_columns_and_a_bar(server: WebServer, tmp_path: Path) -> None:
    async with open_page(f"{server.url}/console.css", tmp_path) as page:
        await page.become_phone()
        await page.call("Page.navigate", url=f"{server.url}/live")
        await page.wait_for_text("7,654,321")
        columns = "new URL(session.url).searchParams.get('width')"
        assert await page.evaluate(columns) == "60"
        bar = await page.evaluate(READ_BAR)
        assert bar["width"] == 390
        assert bar["bottom"] == 844
        assert bar["least"] >= 44
        assert await page.evaluate("document.scrollingElement.scrollWidth") == 390
        await page.tap("[data-act='mode.health']")
        await page.wait_for_text("Flow of scores")
        await page.tap("[data-act='mode.live']")
        await page.wait_for_text("7,654,321")
        await page.tap("[aria-label='Down']")
        await page.tap("[aria-label='Enter']")
        await page.wait_for_text("to pass #1")


async def test_a_finger_that_is_drawn_over_a_list_moves_it(
    settings: Settings, database: Database, refresher: Refresher, tmp_path: Path
) -> None:
    await make_players_with_scores(database, [1_000_000 - number for number in range(300)])
    await refresher.refresh()
    async with (
        serve_app(settings) as (_, client),
        serve_console("--url", str(client.base_url)) as console,
        open_page(f"{console.url}/console.css", tmp_path) as page,
    ):
        await page.become_phone()
        await page.call("Page.navigate", url=f"{console.url}/live")
        await page.wait_for_text("1,000,000")
        for _ in range(4):
            await page.draw_finger("#terminal", -350)
        await page.wait_for_text("999,930")
        for _ in range(5):
            await page.draw_finger("#terminal", 350)
        await page.wait_for_text("1,000,000")
        assert await page.evaluate("window.scrollY") == 0
        # One that only touches is a click, here on a tab.
        await page.touch({"x": 165, "y": 8})
        await page.wait_for_text("Type a player's id")


async def test_reference_loads_nothing_from_elsewhere_and_calls(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        serve_app(settings.model_copy(update={"root_path": "/lb"})) as (_, client),
        open_page("about:blank", tmp_path) as page,
    ):
        watch = "addEventListener('securitypolicyviolation', () => window.broken = true)"
        await page.call("Page.addScriptToEvaluateOnNewDocument", source=watch)
        await page.call("Page.navigate", url=f"{client.base_url}/lb/docs")
        assert '"live"' in await page.evaluate(CALL_LIVE)
        assert await page.evaluate("window.broken === undefined")
        asked = [urlsplit(url) for url in page.asked if url.startswith("http")]
        assert {url.netloc for url in asked} == {urlsplit(str(client.base_url)).netloc}
        assert all(url.path.startswith("/lb/") for url in asked)


async def test_a_page_of_another_site_gets_no_console(server: WebServer, tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<title>elsewhere</title>", content_type="text/html")

    elsewhere = web.Application()
    elsewhere.router.add_get("/", answer)
    runner = web.AppRunner(elsewhere)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        url = server.url.replace("http", "ws", 1)
        async with open_page(f"http://{host}:{port}/", tmp_path / "elsewhere") as page:
            assert await page.evaluate(OPEN_SOCKET % url) == "refused"
        async with open_page(server.url, tmp_path / "own") as page:
            await page.wait_for_text("7,654,321")
            assert await page.evaluate(OPEN_SOCKET % url) == "open"
    finally:
        await runner.cleanup()
