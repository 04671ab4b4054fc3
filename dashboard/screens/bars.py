"""The bars of all screens: what each has to say at its tab, and at the bottom how all is."""

from collections.abc import Mapping
from typing import Final

from dashboard.client.link_state import Connected, Connecting, Faulty
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import Kind, judge_board
from dashboard.text.names import clean_name, fit_name
from dashboard.text.numbers import write_age, write_ms
from dashboard.widgets.tones import SEVERITIES, Span, Tone, ToneLine, choose_line

WIDE: Final = 100
"""From how many columns on there is room for more."""

KIND_TONES: Final[Mapping[Kind, Tone]] = {
    Kind.LOADING: "muted",
    Kind.EMPTY: "accent",
    Kind.CLOSED: "accent",
    Kind.LIVE: "good",
    Kind.FINAL: "strong",
    Kind.STALE: "warn",
    Kind.WARNING: "warn",
    Kind.ALARM: "bad",
    Kind.DISCONNECTED: "bad",
    Kind.ERROR: "bad",
    Kind.PAUSED: "accent",
}

_TITLES: Final = (12, 20, 30, 60)
"""How much of a board's title the status bar shows, the least full first."""


def draw_badge(state: ConsoleState, mode: str) -> list[Span]:
    """Return what a screen has to say in front of which the operator is not."""
    match mode:
        case "live" if state.top is not None:
            kind = judge_board(state).kind
            is_well = kind in {Kind.LIVE, Kind.FINAL, Kind.EMPTY, Kind.PAUSED}
            return [] if is_well else [(kind.value, KIND_TONES[kind]), (" ", "")]
        case "simulate" if state.run_state.startswith("run"):
            silent = (Kind.STALE.value, KIND_TONES[Kind.STALE])
            return [silent if state.run_is_silent else ("●", "accent"), (" ", "")]
        case "health" if state.access is not None and not state.list_troubles():
            kind = Kind.CLOSED
            return [(kind.value, KIND_TONES[kind]), (" ", "")]
        case "health":
            troubles = state.list_troubles()
            if troubles:
                mark, tone = SEVERITIES[troubles[0].severity]
                return [(f"{mark}{len(troubles)}", tone), (" ", "")]
    return []


def draw_status(state: ConsoleState, width: int, current_at: float | None) -> ToneLine:
    """Return the status bar; what the screen shows was last current at that moment."""
    is_wide = width >= WIDE
    # What there is no room for goes as a whole: a number without its words says nothing.
    lines = (
        _write_status(state, current_at, fullness, is_wide=is_wide) for fullness in (3, 2, 1, 0)
    )
    return choose_line(width, *lines)


def _write_status(
    state: ConsoleState, current_at: float | None, fullness: int, *, is_wide: bool
) -> ToneLine:
    """Return the status bar; 3 has everything, less fullness leaves more out."""
    link = state.link
    troubles = [trouble for trouble in state.list_troubles() if trouble.is_bad]
    if troubles and isinstance(link, Connected):
        mark, tone = SEVERITIES[troubles[0].severity]
        connection: Span = (f"{mark} {troubles[0].what}", tone)
    elif isinstance(link, Connected):
        access = f" {state.access.describe_briefly()}" if state.access else ""
        connection = (f"● connected{access}", "good")
    elif isinstance(link, Connecting):
        connection = ("… connecting", "warn")
    else:
        connection = ("! error" if isinstance(link, Faulty) else "✕ disconnected", "bad")
    spans: list[Span] = [(" ", ""), connection]
    if is_wide and fullness > 2:
        spans.append((f" {state.address}", "muted"))
    if state.paused:
        paused = "‖ figures:" if fullness else "‖"
        spans.append((f" │ {paused} {state.held:,} held", "accent"))
    # Figures are of a board: a chosen one and its season stay, and what else there is goes.
    is_global = state.chosen.is_global
    if is_global or fullness > 1:
        spans.append((f" │ round trip {write_ms(state.round_trip_ms)}", ""))
    age = state.measure_age(current_at)
    if is_global or fullness > 0:
        spans.append((f" │ data {'none' if age is None else write_age(age) + ' old'}", ""))
    if not is_global:
        title = fit_name(state.board_title, _TITLES[fullness]).rstrip()
        spans.append((f" │ board {title}{state.season_text}", "accent"))
    elif fullness > 1:
        spans.append((f" │ board {state.chosen.slug}", ""))
    spans.append((f" │ {clean_name(state.run_state)}", ""))
    return spans
