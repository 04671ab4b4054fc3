"""Everything that is drawn, in ASCII."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from dashboard.text.plain_marks import write_plain


class PlainFilter(LineFilter):
    """Replaces each mark as the line that has it is drawn, frames and scroll bars included."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII, each as wide as it was."""
        return [Segment(write_plain(text), style, control) for text, style, control in segments]
