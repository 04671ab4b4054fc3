"""What a long command prints: a moving line while a step is under way, and one when it is done.

Where the output is not a terminal, a line every few seconds takes the place of the moving one.
"""

import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from service.settings.settings import is_locale_plain

_LINE_INTERVAL_SECONDS: Final = 5.0

EXAMPLES: Final = 10
"""Differences of one kind that are shown; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: what was compared, and how much of it differs."""

    facts: str
    differences: int = 0
    examples: Sequence[str] = ()


class Step:
    """One step of a command. The code in it keeps `facts`, the end of its line, up to date."""

    def __init__(self, report: "Report", progress: Progress, title: str, total: int | None) -> None:
        self.facts = ""
        self.mark = ""
        self._report = report
        self._progress = progress
        self._title = title
        self._task = progress.add_task(title, total=total, facts="")
        self._started_at = self._shown_at = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """How long the step has taken."""
        return time.monotonic() - self._started_at

    def advance(self, amount: int, facts: str) -> None:
        """Add to what is done of the total."""
        self.facts = facts
        self._progress.update(self._task, advance=amount, facts=facts)
        if self._progress.disable and time.monotonic() > self._shown_at + _LINE_INTERVAL_SECONDS:
            self._shown_at = time.monotonic()
            self._report.write(self.describe())

    def describe(self) -> str:
        """Return the step's line."""
        return f"{self.mark}{self._title:<22}{self.elapsed_seconds:6.1f} s  {self.facts}".rstrip()


class Report:
    """Writes a command's steps to standard output, or to `stderr` where that has its data."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._console = Console(stderr=stderr, highlight=False, markup=False, soft_wrap=True)
        # Whatever Python writes in the locale C, its terminal need not show it.
        has_marks = self._console.encoding.startswith("utf") and not is_locale_plain()
        self._right, self._wrong = ("✓ ", "✗ ") if has_marks else ("ok ", "!! ")

    def write(self, line: str) -> None:
        """Write a line that stays."""
        self._console.print(line)

    def fail(self, title: str, reason: str) -> None:
        """Write of a step that was not to be done why not."""
        self.write(f"{self._wrong}{title}: {reason}")

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Step]:
        """Show a step while the block runs; its line stays if the block succeeds.

        With a `total` there is a bar that shows how much of it is done.
        """
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description:<22}", markup=False),
            *(() if total is None else (BarColumn(bar_width=30),)),
            TextColumn("{task.fields[facts]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as progress:
            step = Step(self, progress, title, total)
            yield step
        self.write(step.describe())

    async def check(self, title: str, check: Awaitable[Finding]) -> int:
        """Run a check as a step and write its first differences; return how many there are."""
        with self.step(title) as step:
            found = await check
            step.mark = self._wrong if found.differences else self._right
            step.facts = found.facts
        for example in found.examples:
            self.write(f"    {example}")
        if found.differences > len(found.examples) > 0:
            self.write(f"    and {found.differences - len(found.examples):,} more")
        return found.differences
