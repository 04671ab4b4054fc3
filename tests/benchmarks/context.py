"""What every measurement is handed, and where it leaves what it finds."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.plan import Plan
from tests.benchmarks.requests import Target
from tests.benchmarks.results import Results
from tests.benchmarks.stack import Stack


@dataclass(frozen=True, slots=True)
class Context:
    """The populated stack, the plan, and the results so far."""

    plan: Plan
    stack: Stack
    target: Target
    results: Results
    say: Callable[[str], None]
    """Tells the person who waits what is going on."""
