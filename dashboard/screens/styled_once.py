"""Screens that open faster: their parts are styled as they are mounted."""

from textual import events
from textual.geometry import Size
from textual.message_pump import MessagePump


class StyledOnce(MessagePump):
    """Is styled again only where the terminal has another size when it comes back to the front.

    Textual styles every part once more with each message that a screen is in front: of those a new
    dialog gets one, another new screen two. Where other colours were chosen meanwhile it has styled
    the screen before that.
    """

    _size_behind: Size | None = None

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Leave the styles as they are, unless they look at another size."""
        event.refresh_styles &= self._size_behind not in {None, self.app.size}

    def on_screen_suspend(self) -> None:
        """Note for which size it is styled."""
        self._size_behind = self.app.size
