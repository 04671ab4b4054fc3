"""Text in tones: meanings that a theme gives colours, on which nothing may depend alone."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from dashboard.text.names import ELLIPSIS
from dashboard.text.wrapping import wrap_text

Tone = Literal["", "muted", "strong", "accent", "good", "warn", "bad", "fell", "marked", "profile"]
Span = tuple[str, Tone]
ToneLine = Sequence[Span]

TONE_CLASSES: Final = frozenset(f"tone--{tone}" for tone in get_args(Tone) if tone)
"""The component classes of a screen that has toned widgets.

The screen knows for all of them how tones look: Textual styles a component class again with each
widget that has it, and seven for every line of text took most of the time that styles took.
"""

SEVERITIES: Final[dict[str, tuple[str, Tone]]] = {
    "info": ("·", "muted"),
    "warn": ("▲", "warn"),
    "bad": ("✕", "bad"),
}
"""How bad something is: a mark, and a tone."""

_DIM: Final = Style(dim=True)


def choose_line(room: int, *lines: ToneLine) -> ToneLine:
    """Return the first of these lines that fits, fullest first; a number is never cut."""
    for line in lines:
        if sum(cell_len(text) for text, _ in line) <= room:
            return line
    return lines[-1]


def fold_text(
    mark: str,
    mark_tone: Tone,
    text: str,
    room: int,
    tone: Tone = "",
    *,
    most: int | None = None,
    last: str = "",
) -> list[ToneLine]:
    """Return a text behind its mark, on as many lines as it takes or on `most`.

    What is said `last`, behind it, stays where the text is too long for them.
    """
    indent = cell_len(mark)
    first, *rest = wrap_text(text, room - indent, most=most, last=last) or [""]
    lines: list[ToneLine] = [[(mark, mark_tone), (first, tone)]]
    return [*lines, *([(" " * indent + line, tone)] for line in rest)]


class Toned(Widget):
    """A widget that draws lines of toned text; what is in the text is never markup."""

    def find_style(self, tone: Tone) -> Style:
        """Return how a tone looks on this widget."""
        base = self.visual_style.rich_style
        if not tone:
            return base
        return base + self.screen.get_component_rich_style(f"tone--{tone}", partial=True)

    def draw_line(
        self, line: ToneLine, width: int, *, over: Style | None = None, dim: bool = False
    ) -> Strip:
        """Return a line cut or filled to `width` cells, with `over` on top of every tone."""
        segments: list[Segment] = []
        room = width
        for place, (text, tone) in enumerate(line, start=1):
            if room <= 0:
                break
            size = cell_len(text)
            style = self.find_style(tone)
            # What is cut says so, also where all that goes is behind this.
            if size > room or (size == room and any(rest.strip() for rest, _ in line[place:])):
                cut = set_cell_size(text, room - 1) + ELLIPSIS
                segments.append(Segment(cut, style))
                room = 0
            else:
                segments.append(Segment(text, style))
                room -= size
        if room > 0:
            segments.append(Segment(" " * room, self.find_style("")))
        above = (over or Style.null()) + (_DIM if dim else Style.null())
        return Strip(Segment.apply_style(segments, post_style=above), width)
