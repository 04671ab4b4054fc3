"""The scheduler: `python -m workers.scheduler`. Run exactly one."""

import os
import signal
import sys
import time
from pathlib import Path

import click

from service.command_line import run_command
from service.logs import configure_logging
from service.settings.settings import load_settings
from service.tracing.bootstrap import ensure_agent


@click.command()
@click.option("--ready-fd", type=int, help="Write a byte to this descriptor once it runs.")
@click.option(
    "--rounds",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Note each round in this file, which `leaderboard health scheduler` reads.",
)
def schedule(ready_fd: int | None, rounds: Path | None) -> None:
    """Send each periodic actor's message when it is due, by UTC, until SIGTERM or SIGINT."""
    settings = load_settings()
    ensure_agent(settings, "workers.scheduler")
    configure_logging(settings)
    # periodiq reckons in local time.
    os.environ["TZ"] = "UTC"
    time.tzset()
    import workers.actors.standings  # noqa: F401, PLC0415 - declares the periodic actors
    from workers.broker import broker  # noqa: PLC0415
    from workers.periodiq_scheduler import PatientScheduler  # noqa: PLC0415 - after its time zone

    # Not by periodiq's own command, which sets the level of the log and fails at Ctrl-C.
    scheduler = PatientScheduler(
        [actor for actor in broker.actors.values() if "periodic" in actor.options], rounds
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    if ready_fd is not None:
        os.write(ready_fd, b"\n")
        os.close(ready_fd)
    scheduler.schedule()
    scheduler.loop()


if __name__ == "__main__":
    run_command(schedule, name="python -m workers.scheduler")
