"""The command line of `leaderboard dashboard`."""

# The web server's libraries are imported only when it is asked for: the terminal starts faster.
# ruff: noqa: PLC0415

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from click.core import ParameterSource
from textual.theme import BUILTIN_THEMES

from dashboard.app import Console, list_default_keys
from dashboard.client.gateway import Gateway
from dashboard.client.rights import Right, Rights
from dashboard.client.submitter import ServiceSubmitter
from dashboard.clock import SystemClock
from dashboard.configuration.file import (
    Allowed,
    Configuration,
    Profile,
    UnreadableConfiguration,
    UnusableConfiguration,
    read_configuration,
)
from dashboard.configuration.preferences import WRITTEN, Choices, Preferences, locate_folder
from dashboard.keys.actions import name_key
from dashboard.preferred import is_colour
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.simulation.cli import Number, Parsed, api_key_option, check_api_key, check_url
from dashboard.state.address import Address, read_address
from dashboard.state.parts.rules import LIMIT_NAMES
from dashboard.text.plain_marks import needs_plain_marks

_PROGRAM = "leaderboard dashboard"
_ONLY_LOOKS = "this console only looks; whoever serves it would have to start it with {}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    default="http://127.0.0.1:8000",
    show_default=True,
    type=Parsed(check_url),
    help="The service.",
)
@click.option(
    "--profile",
    "profile_name",
    metavar="NAME",
    help="A service that console.toml has under [profiles.NAME], with its key; read-only unless it "
    "says otherwise.",
)
@api_key_option
@click.option(
    "--read-only",
    is_flag=True,
    help="Only look: start and steer no run, submit, revoke and decide nothing.",
)
@click.option("--web", is_flag=True, help="Serve it to browsers instead of this terminal.")
@click.option("--host", help="With --web: address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=Number(int, 0, 65535),
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
    help="With --web: let browsers revoke sessions, ban, hide, rename and delete players.",
)
@click.option(
    "--open",
    "start",
    metavar="PATH",
    type=Parsed(read_address),
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
    profile_name: str | None,
    api_key: str | None,
    read_only: bool,
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

    Theme, columns, keys, limits and profiles are read from leaderboard/console.toml in
    $XDG_CONFIG_HOME or ~/.config; what is chosen in the console is kept beside it.
    """
    preferences = _read_preferences(profile_name, keeps=not served)
    profile = preferences.profile
    if profile is not None:
        url, api_key = _open_profile(profile, preferences.configuration.path, api_key)
    reason = _find_reason(preferences, read_only=read_only)
    if reason and (allow_simulation or allow_moderation):
        raise click.UsageError(f"--allow-simulation and --allow-moderation: {reason}")
    if web:
        if start is not None:
            raise click.UsageError("--open goes without --web: there the page's address says it")
        command = [sys.executable, "-P", "-m", "dashboard", "--served"]
        command += ["--profile", profile_name] if profile_name else ["--url", url]
        command += ["--read-only"] if read_only else []
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
        _check_terminal()
    clock = SystemClock()
    allowed: dict[Right, bool] = {"traffic": allow_simulation, "moderation": allow_moderation}
    rights = Rights.of_reader(reason) if reason else _find_rights(allowed, served=served)
    runs, submitter = LocalRuns(url, api_key=api_key), ServiceSubmitter(url, api_key, rights)
    desk = RunDesk(runs, submitter, clock, rights)
    gateway = Gateway(url, api_key=api_key, rights=rights)
    # A browser shows every mark, whatever the terminal of its server.
    plain_marks = not served and needs_plain_marks(os.environ)
    console = Console(
        gateway,
        clock,
        desk=desk,
        preferences=preferences,
        plain_marks=plain_marks,
        start=start,
    )
    console.set_keymap(preferences.configuration.keys)
    console.run()
    return console.return_code or 0


def _read_preferences(profile_name: str | None, *, keeps: bool) -> Preferences:
    """Return how the console is to be; a file that cannot be read is no reason not to start."""
    folder = locate_folder(os.environ)
    path = folder / WRITTEN
    allowed = Allowed(
        themes=BUILTIN_THEMES,
        limits=LIMIT_NAMES,
        keys=list_default_keys(),
        name_key=name_key,
        is_colour=is_colour,
    )
    notices: tuple[str, ...] = ()
    try:
        configuration = read_configuration(path, allowed)
    except UnreadableConfiguration as error:
        if profile_name is not None:
            raise
        configuration, notices = Configuration(path), (f"Not read: {error}",)
    profile = configuration.find_profile(profile_name) if profile_name is not None else None
    # A browser is somebody else's.
    choices = Choices(folder if keeps else None)
    return Preferences(configuration, profile, choices, notices)


def _open_profile(profile: Profile, path: Path, api_key: str | None) -> tuple[str, str | None]:
    """Return the URL and the key of a profile. What is wrong is said without either's text."""
    context = click.get_current_context()
    if context.get_parameter_source("url") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--url and --profile: a profile has a URL of its own")
    where = f"{path}: profiles.{profile.name}"
    try:
        check_url(profile.url)
    except ValueError as error:
        raise click.UsageError(f"{where}.url: {error}") from None
    if profile.key_file is None and profile.key_variable is None:
        return profile.url, api_key
    if context.get_parameter_source("api_key") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--api-key and --profile: this profile has a key of its own")
    field = "key_file" if profile.key_file else "key_variable"
    try:
        return profile.url, check_api_key(_read_key(profile))
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError as error:
        problem = error.reason
    except ValueError as error:
        problem = str(error)
    raise click.UsageError(f"{where}.{field}: {problem}")


def _read_key(profile: Profile) -> str:
    """Return the key of a profile; raises `OSError` or `ValueError`."""
    if profile.key_file is not None:
        key = profile.key_file.read_text().strip()
    else:
        key = os.environ.get(profile.key_variable or "", "")
    if not key:
        raise ValueError("there is nothing in it")
    return key


def _find_reason(preferences: Preferences, *, read_only: bool) -> str | None:
    """Return why nothing may be written, None where that depends on other options."""
    profile = preferences.profile
    if read_only:
        return "this console is read-only, as --read-only says"
    if profile is not None and profile.read_only:
        path = preferences.configuration.path
        return f"profile {profile.name} is read-only, unless {path} has read_only = false for it"
    return None


def _find_rights(allowed: Mapping[Right, bool], *, served: bool) -> Rights:
    """Return what may be written: in a browser, what whoever serves it has allowed."""
    options: dict[Right, str] = {
        "traffic": "--allow-simulation",
        "moderation": "--allow-moderation",
    }
    return Rights(
        {
            right: _ONLY_LOOKS.format(option)
            for right, option in options.items()
            if served and not allowed[right]
        }
    )


def _check_terminal() -> None:
    """Make sure that this is a terminal: Textual reads from the one and writes to the other."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("the console needs a terminal for its input and output")


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
        asyncio.run(serve(WebConsole(command, names), listener, announce))


def main() -> None:
    """Run the command and exit with its status; a user's mistake is one line, and status 1."""
    try:
        status = dashboard.main(prog_name=_PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        reason = " ".join(error.format_message().split())
    except UnusableConfiguration as error:
        reason = " ".join(str(error).split())
    else:
        sys.exit(status)
    click.echo(f"{_PROGRAM}: {reason}", err=True)
    sys.exit(1)
