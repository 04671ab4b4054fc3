"""Keys that act one after the other, however fast they arrive."""

from textual import events
from textual.app import App
from textual.widgets import Input


class EagerKeys(App[None]):
    """An app in which a key acts before the next one is looked at.

    Textual hands a key to the widget in focus, and the key acts when it has come up again from
    there. Of keys that arrive together, as on a slow line, those behind a `/` would not go into
    its field by then but act as well: a name with a q in it would end the app.
    """

    async def on_event(self, event: events.Event) -> None:
        """Let a key act at once unless it is text for a field."""
        if isinstance(event, events.Key) and not event.is_forwarded and self._acts(event):
            for priority in (True, False):
                if await self._check_bindings(event.key, priority=priority):
                    return
        await super().on_event(event)

    async def action_switch_mode(self, mode: str) -> None:
        """Go to a screen, which is there when the next key is looked at."""
        await self.switch_mode(mode)

    def _acts(self, event: events.Key) -> bool:
        # Escape takes the screen back from a panel that has it to itself: Textual sees to that.
        takes_back = self.screen.maximized is not None and event.key == "escape"
        return not isinstance(self.focused, Input) and not takes_back
