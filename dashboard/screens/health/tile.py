"""A tile for one part of the service."""

from collections.abc import Sequence
from typing import Final

from dashboard.state.health import DETAIL_SEPARATOR, PartHealth, PartRule, Sample, Verdict
from dashboard.text.numbers import choose_text, draw_sparkline
from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Span, Tone, ToneLine

_MARKS: Final[dict[Verdict, tuple[str, Tone]]] = {
    "ok": ("✓ ok", "good"),
    "slow": ("▲ over", "warn"),
    "away": ("✕ away", "bad"),
}
RESTART: Final = "↻"


class Tile(Lines):
    """Shows one part: its verdict, the figure that gave it, the threshold, the way here."""

    DEFAULT_CSS = """
    Tile {
        height: 5;
        border: round $primary 60%;
        border-title-color: $text-accent;
        border-subtitle-color: $text-muted;
        padding: 0 1;
    }
    """

    def __init__(self, rule: PartRule) -> None:
        super().__init__(id=f"tile-{rule.name}")
        self.border_title = rule.title
        self.border_subtitle = f"limit {rule.write(rule.limit)}"

    def show_part(self, health: PartHealth, history: Sequence[Sample], *, dim: bool) -> None:
        """Show a part at the last look, and how it came there."""
        rule = health.rule
        mark, tone = _MARKS[health.verdict]
        graph = draw_history(history, self.size.width, limit=rule.limit)
        value: Span = ("" if health.verdict == "away" else "unknown", "muted")
        if health.value is not None:
            figure = rule.write(health.value)
            full = f"{figure} {rule.figure}"
            # Where the words do not fit, the limit below still says what is measured.
            fits = len(f"{mark} {full}") <= self.content_size.width
            value = (full if fits else figure, "strong")
        headline: ToneLine = [(f"{mark} ", tone), value]
        parts = health.detail.split(DETAIL_SEPARATOR)
        # Whole parts go where there is no room: half a figure would be another one.
        details = (DETAIL_SEPARATOR.join(parts[:kept]) for kept in range(len(parts), 0, -1))
        detail = choose_text(self.content_size.width, *details)
        self.show([headline, [graph], [(detail, "muted")]], dim=dim)


def draw_history(history: Sequence[Sample], width: int, *, limit: float | None = None) -> Span:
    """Return the last samples as a sparkline in which ↻ stands for a restart."""
    shown = list(history)[-width:] if width else []
    line = draw_sparkline([sample.value for sample in shown], len(shown), limit=limit)
    marked = "".join(
        RESTART if sample.restarted else block for sample, block in zip(shown, line, strict=True)
    )
    return marked.rjust(width), "accent"


def draw_waiting() -> list[ToneLine]:
    """Return what a tile says before the first look."""
    return [[("… no status yet", "muted")]]
