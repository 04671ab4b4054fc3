"""Screens that open faster: their parts are styled as they are mounted."""

from textual import events
from textual.message_pump import MessagePump


class StyledOnce(MessagePump):
    """Is styled again only when it comes back to the front.

    Textual styles every part of a new screen once more with each message that it is in front: of
    those a dialog gets one, another screen two.
    """

    _was_behind = False

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Leave the styles as they are, unless they may have changed meanwhile."""
        event.refresh_styles &= self._was_behind
        self._was_behind = False

    def on_screen_suspend(self) -> None:
        """Note that others are in front."""
        self._was_behind = True
