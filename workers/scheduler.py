"""The scheduler: `python -m workers.scheduler`. Run exactly one."""

import os
import signal
import sys
import time
from functools import partial
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
    """Send each periodic actor's message when it is due, by UTC."""
    settings = load_settings()
    ensure_agent(settings, "workers.scheduler")
    configure_logging(settings)
    # periodiq reckons in local time.
    os.environ["TZ"] = "UTC"
    time.tzset()
    import periodiq  # noqa: PLC0415 - after its time zone

    import workers.actors.standings  # noqa: F401, PLC0415 - declares the periodic actors
    from workers.periodiq_scheduler import PatientScheduler  # noqa: PLC0415

    # periodiq makes its scheduler by this name.
    periodiq.Scheduler = partial(PatientScheduler, rounds=rounds)

    # periodiq has a handler of its own, later: whoever knows that it runs may stop it already.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if ready_fd is not None:
        os.write(ready_fd, b"\n")
        os.close(ready_fd)
    sys.argv = ["periodiq", "workers.broker"]
    periodiq.entrypoint()


if __name__ == "__main__":
    run_command(schedule, name="python -m workers.scheduler")
