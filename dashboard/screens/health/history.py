"""The history of a value as a sparkline."""

from collections.abc import Sequence
from typing import Final

from dashboard.state.parts.health import Sample
from dashboard.text.numbers import draw_sparkline
from dashboard.widgets.tones import Span

RESTART: Final = "↻"


def draw_history(history: Sequence[Sample], width: int, *, limit: float | None = None) -> Span:
    """Return the last samples as a sparkline in which ↻ stands for a restart."""
    shown = list(history)[-width:] if width else []
    line = draw_sparkline([sample.value for sample in shown], len(shown), limit=limit)
    marked = "".join(
        RESTART if sample.restarted else block for sample, block in zip(shown, line, strict=True)
    )
    return marked.rjust(width), "accent"
