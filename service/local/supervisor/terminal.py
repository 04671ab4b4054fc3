"""What the supervisor prints in the terminal: one line for each event."""

import signal
from pathlib import Path

import click


def print_line(line: str) -> None:
    """Print a line at once."""
    click.echo(line)


def print_ready(name: str, seconds: float | None, where: str) -> None:
    """Print that a part is ready: its name, how long that took, and where it is."""
    took = "" if seconds is None else f"{seconds:.1f} s"
    print_line(f"{click.style(f'{name:<16}', bold=True)} {took:>7}  {where}".rstrip())


def describe_path(path: Path) -> str:
    """Return the path as a person in the current folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def describe_end(status: int) -> str:
    """Return how a process ended, from its return code: an exit code or a signal's name."""
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
