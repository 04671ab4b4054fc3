"""Draws each screen while traffic is sent.

`python -m tests.support.console.screenshots --url …`
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Final

import click

from dashboard.app import Console
from dashboard.client.gateway import BoardSeason, Gateway
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit, Submitter
from dashboard.clock import SystemClock
from dashboard.downloads import drop_outside_fonts
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.simulation.cli import check_url
from dashboard.simulation.reports.run_directory import Command

_FOLDER: Final = Path(__file__).parents[3] / ".github" / "screenshots"
_SIZE: Final = (120, 36)
_RATE: Final = 300
_WARM_UP_SECONDS: Final = 25
_SCREEN_SECONDS: Final = 6.0
_WATCH_SECONDS: Final = 45.0
_PLAY_SECONDS: Final = 0.1
_PLAYING: Final = 100
_SHOWN: Final = 11
"""Where on the board the player of the player screen stands: in the midst of neighbours."""


@click.command()
@click.option("--url", required=True, callback=check_url, help="The service, already filled.")
@click.option("--folder", type=click.Path(path_type=Path), default=_FOLDER, show_default="here")
def draw(*, url: str, folder: Path) -> None:
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


async def _play(user_ids: Sequence[int], submitter: Submitter) -> None:
    """Let the first of the board go on scoring: the run has a thousand ordinary players."""
    random = Random(1)
    while True:
        score = SingleSubmit(random.choice(user_ids), round(random.lognormvariate(6, 1)), "solo")
        await submitter.submit(score, token_hex(8))
        await asyncio.sleep(_PLAY_SECONDS)


def _save(console: Console, path: Path) -> None:
    path.write_text(drop_outside_fonts(console.export_screenshot()))
    click.echo(path)


if __name__ == "__main__":
    draw()
