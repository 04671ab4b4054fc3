"""The command line of `leaderboard dashboard`."""

# The web server's libraries are imported only when it is asked for: the terminal starts faster.
# ruff: noqa: PLC0415

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dashboard.app import Console, list_default_keys
from dashboard.client.gateway import Gateway
from dashboard.client.submitter import ServiceSubmitter
from dashboard.clock import SystemClock
from dashboard.keys.actions import name_key
from dashboard.keys.keymap import UnusableKeymap, read_keymap
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.simulation.cli import api_key_option, check_url
from dashboard.state.address import Address, UnknownAddress, read_address
from dashboard.text.plain_marks import needs_plain_marks

_PROGRAM = "leaderboard dashboard"


def _read_start(_: click.Context, __: click.Parameter, path: str | None) -> Address | None:
    if path is None:
        return None
    try:
        return read_address(path)
    except UnknownAddress as error:
        raise click.BadParameter(str(error)) from error


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    callback=check_url,
    help="The service.",
)
@api_key_option
@click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help='TOML file with other keys, such as "console.pause" = "p".',
)
@click.option("--web", is_flag=True, help="Serve it to browsers instead of this terminal.")
@click.option("--host", help="With --web: address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="With --web: TCP port to listen on; 0 takes any free one.  [default: 3000]",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="With --web: a name by which browsers reach it, besides localhost and addresses.",
)
@click.option(
    "--allow-simulation", is_flag=True, help="With --web: let browsers start traffic and submit."
)
@click.option(
    "--allow-moderation",
    is_flag=True,
    help="With --web: let browsers revoke sessions, ban and hide players.",
)
@click.option(
    "--open",
    "start",
    metavar="PATH",
    callback=_read_start,
    help="Screen to begin with, as in a link: /health, /player/4711?board=weekly&season=3.",
)
# A browser's own console, started by the web server.
@click.option("--served", is_flag=True, hidden=True)
# What a supervisor passes: the listening socket, and where to write once it serves.
@click.option("--fd", type=int, hidden=True)
@click.option("--ready-fd", type=int, hidden=True)
def dashboard(
    *,
    url: str,
    api_key: str | None,
    keys: Path | None,
    web: bool,
    host: str | None,
    port: int | None,
    names: tuple[str, ...],
    allow_simulation: bool,
    allow_moderation: bool,
    start: Address | None,
    served: bool,
    fd: int | None,
    ready_fd: int | None,
) -> int:
    """Watch the board, the players and the system's health.

    Press ? in the console for its keys.
    """
    keymap = read_keymap(keys, list_default_keys(), name_key) if keys else {}
    if web:
        if start is not None:
            raise click.UsageError("--open goes without --web: there the page's address says it")
        command = [sys.executable, "-P", "-m", "dashboard", "--served", "--url", url]
        command += ["--keys", str(keys.resolve())] if keys else []
        command += ["--allow-simulation"] if allow_simulation else []
        command += ["--allow-moderation"] if allow_moderation else []
        listener = _find_listener(fd, host or "127.0.0.1", 3000 if port is None else port)
        if api_key is not None:
            # For the consoles of the browsers; an option would be there for everybody to read.
            os.environ["LEADERBOARD_API_KEY"] = api_key
        _serve(command, listener, [*names, host] if host else names, ready_fd)
        return 0
    if not served:
        if host is not None or port is not None or names or allow_simulation or allow_moderation:
            raise click.UsageError(
                "--host, --port, --allow-host, --allow-simulation and --allow-moderation "
                "go with --web"
            )
        # Textual reads from the one and writes to the other.
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError("the console needs a terminal for its input and output")
    clock = SystemClock()
    read_only = served and not allow_simulation
    runs, submitter = LocalRuns(url, api_key=api_key), ServiceSubmitter(url, api_key)
    desk = RunDesk(runs, submitter, clock, read_only=read_only)
    gateway = Gateway(url, api_key=api_key)
    may_moderate = not served or allow_moderation
    # A browser shows every mark, whatever the terminal of its server.
    plain_marks = not served and needs_plain_marks(os.environ)
    console = Console(
        gateway,
        clock,
        desk=desk,
        may_moderate=may_moderate,
        plain_marks=plain_marks,
        start=start,
    )
    console.set_keymap(keymap)
    console.run()
    return console.return_code or 0


def _find_listener(descriptor: int | None, host: str, port: int) -> socket.socket:
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    from dashboard.web.server import listen

    try:
        return listen(host, port)
    except (OSError, UnicodeError) as error:
        raise click.UsageError(f"cannot listen on port {port} of {host}: {error}") from error


def _serve(
    command: Sequence[str], listener: socket.socket, names: Sequence[str], ready_fd: int | None
) -> None:
    from dashboard.web.server import WebConsole, find_url, is_loopback, serve, tell_ready

    def announce() -> None:
        if ready_fd is not None:
            tell_ready(ready_fd)
        click.echo(f"Ready: {find_url(listener)}  (Ctrl-C stops it)")
        if not is_loopback(listener):
            click.echo(
                "There is no login: whoever reaches this port can look. Let only a proxy with one "
                "reach it.",
                err=True,
            )

    with listener:
        asyncio.run(serve(WebConsole(command, names=names), listener, announce))


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line."""
    try:
        status = dashboard.main(prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        reason = " ".join(error.format_message().split())
    except UnusableKeymap as error:
        reason = " ".join(str(error).split())
    else:
        sys.exit(status)
    click.echo(f"{_PROGRAM}: {reason}", err=True)
    sys.exit(1)
