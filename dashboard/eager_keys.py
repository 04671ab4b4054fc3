"""Keys that act one after the other, however fast they arrive."""

from textual import events
from textual.app import App
from textual.widgets import Input


class EagerKeys(App[None]):
    """An app in which a key acts before the next one is looked at.

    Textual hands a key to the widget in focus, and the key acts when it has come up again from
    there. Of keys that arrive together, as on a slow line, those behind a `/` would not go into
    its field by then but act as well, and a name with a q in it would end the app; in a field,
    letters would overtake the key that empties it.
    """

    async def on_event(self, event: events.Event) -> None:
        """Let a key write into the field in focus, or act, at once."""
        if isinstance(event, events.Key) and not event.is_forwarded and await self._obey(event):
            return
        await super().on_event(event)

    async def action_switch_mode(self, mode: str) -> None:
        """Go to a screen, which is there when the next key is looked at."""
        await self.switch_mode(mode)

    async def _obey(self, event: events.Key) -> bool:
        if self.screen.maximized is not None and event.key == "escape":
            # It takes the screen back from a panel that has it to itself: Textual sees to that.
            return False
        if await self._check_bindings(event.key, priority=True):
            return True
        field = self.focused
        if isinstance(field, Input) and event.character is not None and event.is_printable:
            if field.selection.is_empty:
                field.insert_text_at_cursor(event.character)
            else:
                field.replace(event.character, *field.selection)
            return True
        return await self._check_bindings(event.key)
