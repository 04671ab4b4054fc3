"""The tabs of the screens, along the top."""

from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.message import Message

from dashboard.widgets.lines import Lines
from dashboard.widgets.tones import Span, Tone


class Tab(NamedTuple):
    """One of the tabs: the screen that it leads to, and how it looks."""

    mode: str
    spans: list[Span]

    @property
    def width(self) -> int:
        """How many cells it takes."""
        return sum(cell_len(text) for text, _ in self.spans)


class Tabs(Lines):
    """Names the screens side by side; a click on one goes there."""

    ALLOW_SELECT = False

    DEFAULT_CSS = """
    Tabs { background: $panel; height: 1; &:hover { pointer: pointer; } }
    """

    @dataclass
    class Chosen(Message):
        """The operator wants to see another screen."""

        mode: str

    _tabs: list[Tab]

    def show_tabs(self, head: list[Span], tabs: list[Tab], rest: Tone) -> None:
        """Show tabs behind what leads nowhere; what is left of the line has the tone `rest`."""
        self._tabs = [Tab("", head), *tabs]
        room = self.size.width - sum(tab.width for tab in self._tabs)
        end: list[Span] = [(" " * room, rest)] if rest and room > 0 else []
        self.show([[span for tab in self._tabs for span in tab.spans] + end])

    def on_click(self, event: events.Click) -> None:
        """Go to the screen whose tab is under the mouse."""
        ends = accumulate(tab.width for tab in self._tabs)
        for tab, end in zip(self._tabs, ends, strict=True):
            if event.x < end:
                if tab.mode:
                    self.post_message(self.Chosen(tab.mode))
                return
