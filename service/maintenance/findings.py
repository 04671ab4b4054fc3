"""What an audit's check found, and how it is told."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final

from service.maintenance.progress import Report

EXAMPLES: Final = 10
"""Differences of one kind that are shown; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: what was compared, and how much of it differs."""

    facts: str
    differences: int = 0
    examples: Sequence[str] = ()


async def tell_finding(report: Report, title: str, check: Awaitable[Finding]) -> int:
    """Run a check, write its line and its first differences; return how many there are."""
    with report.step(title) as step:
        found = await check
        step.mark = "✗ " if found.differences else "✓ "
        step.facts = found.facts
    for example in found.examples:
        report.write(f"    {example}")
    if found.differences > len(found.examples) > 0:
        report.write(f"    and {found.differences - len(found.examples):,} more")
    return found.differences
