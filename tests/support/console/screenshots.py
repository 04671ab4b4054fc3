"""Draws the console: the README's pictures, and what is to be looked at one by one.

`python -m tests.support.console.screenshots readme --url …` while traffic is sent;
`… states` each screen in each state, of a made-up service, at several sizes of a terminal;
`… browser --url …` what `leaderboard dashboard --web` serves, on a desk and on a phone.
The last two need `chromium`, as Debian has it.
"""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from random import Random
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Final

import click

from dashboard.app import Console
from dashboard.client.gateway import BoardSeason, Gateway
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit
from dashboard.clock import SystemClock
from dashboard.downloads import drop_outside_fonts
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.simulation.cli import Parsed, check_url
from dashboard.simulation.reports.run_directory import Command
from tests.support.browsing import Page, open_page
from tests.support.console.pictures import PICTURES

_FOLDER: Final = Path(__file__).parents[3] / ".github" / "screenshots"
_SIZE: Final = (120, 36)
_RATE: Final = 300
_WARM_UP_SECONDS: Final = 25
_SCREEN_SECONDS: Final = 6.0
_WATCH_SECONDS: Final = 45.0
_PLAY_SECONDS: Final = 0.1
_PLAYING: Final = 100
_SIZES: Final = ((120, 36), (80, 24), (60, 48))
_PLACES: Final = ("live", "player", "simulate", "health")
_DESK: Final = (1400, 900)
_SHOWN: Final = 11
"""Where on the board the player of the player screen stands: in the midst of neighbours."""


@click.group()
def draw() -> None:
    """Draw the console."""


@draw.command()
@click.option("--url", required=True, type=Parsed(check_url), help="The service, already filled.")
@click.option("--folder", type=click.Path(path_type=Path), default=_FOLDER, show_default="here")
def readme(*, url: str, folder: Path) -> None:
    """Draw each screen as SVG while 300 requests a second are sent."""
    asyncio.run(_draw(url, folder))


async def _draw(url: str, folder: Path) -> None:
    clock, runs = SystemClock(), LocalRuns(url)
    desk = RunDesk(runs, ServiceSubmitter(url), clock)
    gateway = Gateway(url)
    console = Console(gateway, clock, desk=desk)
    runs.start([f"--rate={_RATE}", "--duration=150", "--seed=1"])
    try:
        async with console.run_test(size=_SIZE):
            leaders = (await gateway.read_page(BoardSeason(), 0)).entries[:_PLAYING]
            playing = asyncio.create_task(
                _play([leader.user_id for leader in leaders], desk.submitter)
            )
            await clock.sleep(_WARM_UP_SECONDS)
            _save(console, folder / "live.svg")
            console.look_up(leaders[_SHOWN].user_id)
            # Long enough for a history of rank and score.
            await clock.sleep(_WATCH_SECONDS)
            _save(console, folder / "player.svg")
            for mode in ("simulate", "health"):
                await console.switch_mode(mode)
                await clock.sleep(_SCREEN_SECONDS)
                _save(console, folder / f"{mode}.svg")
            playing.cancel()
    finally:
        desk.tell(Command.STOP)


@draw.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--only", multiple=True, type=click.Choice(list(PICTURES)), help="Not all of them.")
def states(*, folder: Path, only: Sequence[str]) -> None:
    """Draw each screen in each state, a picture with all sizes of the terminal for each."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_draw_states(folder, only or list(PICTURES)))


async def _draw_states(folder: Path, names: Sequence[str]) -> None:
    with TemporaryDirectory() as profile:
        async with open_page("about:blank", Path(profile)) as page:
            for name in names:
                drawn: list[str] = []
                for size in _SIZES:
                    async with PICTURES[name](size) as operator:
                        await operator.lay_out()
                        drawn.append(drop_outside_fonts(operator.console.export_screenshot()))
                await page.evaluate(f"document.body.innerHTML = {''.join(drawn)!r}")
                await _photograph(page, folder / f"{name}.png")


@draw.command()
@click.option("--url", required=True, type=Parsed(check_url), help="The console in a browser.")
@click.option("--player", default=1, show_default=True, help="Whose page is shown.")
@click.option("--folder", type=click.Path(path_type=Path), required=True)
def browser(*, url: str, player: int, folder: Path) -> None:
    """Draw each screen as a browser shows it, 1,400 pixels wide and as a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_draw_browser(url.rstrip("/"), player, folder))


async def _draw_browser(url: str, player: int, folder: Path) -> None:
    with TemporaryDirectory() as profile:
        # The screen is set for pages of this site: another one would begin without it.
        async with open_page(f"{url}/console.css", Path(profile)) as page:
            for width in (_DESK[0], 390):
                if width == _DESK[0]:
                    await page.set_size(*_DESK)
                else:
                    await page.become_phone(scale=1)
                for place in _PLACES:
                    path = f"/player/{player}" if place == "player" else f"/{place}"
                    await page.call("Page.navigate", url=url + path)
                    # What the page before had drawn is not this one's.
                    page.drawn = ""
                    await page.wait_for_text("connected")
                    await asyncio.sleep(_SCREEN_SECONDS)
                    await _photograph(page, folder / f"{place}-{width}.png", whole=False)


async def _photograph(page: Page, path: Path, *, whole: bool = True) -> None:
    picture = await page.call("Page.captureScreenshot", captureBeyondViewport=whole)
    _write(path, base64.b64decode(picture["data"]))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    click.echo(path)


async def _play(user_ids: Sequence[int], submitter: ServiceSubmitter) -> None:
    """Let the first of the board go on scoring: the run has a thousand ordinary players."""
    random = Random(1)
    while True:
        score = SingleSubmit(random.choice(user_ids), round(random.lognormvariate(6, 1)), "solo")
        await submitter.submit(score, token_hex(8))
        await asyncio.sleep(_PLAY_SECONDS)


def _save(console: Console, path: Path) -> None:
    _write(path, drop_outside_fonts(console.export_screenshot()).encode())


if __name__ == "__main__":
    draw()
