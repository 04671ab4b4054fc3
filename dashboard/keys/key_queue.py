"""Keys that act one after the other, however fast they arrive."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Final

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_QUIET_ROUNDS: Final = 2
_MOST_ROUNDS: Final = 20
_NEWLINE: Final = "ctrl+j"
"""What a terminal makes of an enter that is pressed before the console has set its mode."""


class KeyQueueApp(App[None]):
    """An app in which a key has acted before the next one is looked at.

    Textual hands a key to the widget in focus, and all but text acts only when the key has come up
    again from there to the app. Of keys that arrive together, as on a slow line, those behind a `/`
    would not go into its field by then but act as well, and a backspace would take what was typed
    after it (Textual's issue 6605). So keys are queued here. They wait beside the app's own
    messages, never in front of them: the screen stays alive whatever a key does.
    """

    LONGEST_WAIT_SECONDS: ClassVar[float] = 2.0
    """How long the next key waits for what this one has set off, even if that hangs."""

    def __init__(self) -> None:
        super().__init__()
        self._pressed: asyncio.Queue[events.Key | events.Paste] = asyncio.Queue()
        self._acting: set[asyncio.Task[None]] = set()

    def on_mount(self) -> None:
        """Begin to take keys from the queue."""
        self.run_worker(self._take_keys(), name="keys")

    async def on_event(self, event: events.Event) -> None:
        """Queue a key, or text that is pasted."""
        if isinstance(event, events.Key) and event.key == _NEWLINE:
            event = events.Key("enter", "\r")
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._pressed.put_nowait(event)
        else:
            await super().on_event(event)

    async def take_key(self, key: events.Key) -> bool:
        """Take a key before the field in focus and the bindings do; False leaves it to them."""
        return False

    async def action_switch_mode(self, mode: str) -> None:
        """Go to a screen, which is there when the next key is looked at."""
        await self.switch_mode(mode)

    async def _take_keys(self) -> None:
        while True:
            event = await self._pressed.get()
            concerned = self._list_concerned()
            acting = asyncio.create_task(self._act(event, concerned))
            self._acting.add(acting)
            acting.add_done_callback(self._acting.discard)
            done, _ = await asyncio.wait({acting}, timeout=self.LONGEST_WAIT_SECONDS)
            for task in done:
                task.result()

    async def _act(self, event: events.Key | events.Paste, before: Sequence[MessagePump]) -> None:
        # There is no screen any more while the app ends.
        if self.screen_stack:
            if not (isinstance(event, events.Key) and await self._run_binding(event)):
                await super().on_event(event)
            await self._wait_until_idle(before)

    async def _run_binding(self, event: events.Key) -> bool:
        """Run what a key is bound to, unless it is text for a field; return whether it is bound.

        Here, since the app itself would have to wait for it, if Textual found it.
        """
        if await self.take_key(event):
            return True
        focused = self.focused
        is_text = focused is not None and focused.check_consume_key(event.key, event.character)
        # Escape takes the screen back from a panel that has it to itself: Textual sees to that.
        takes_back = self.screen.maximized is not None and event.key == "escape"
        if is_text or takes_back:
            return False
        return await self._check_bindings(event.key, priority=True) or await self._check_bindings(
            event.key
        )

    async def _wait_until_idle(self, before: Sequence[MessagePump]) -> None:
        """Wait until every widget that the key reached, or would reach now, is idle."""
        quiet = 0
        for _ in range(_MOST_ROUNDS):
            if quiet == _QUIET_ROUNDS:
                return
            nodes = dict.fromkeys([*before, *self._list_concerned()])
            for node in nodes:
                await _wait_for_turn(node)
            quiet = 0 if any(node.message_queue_size for node in nodes) else quiet + 1

    def _list_concerned(self) -> list[MessagePump]:
        """Return the widgets that a key passes, from the one in focus up to the app."""
        if not self.screen_stack:
            return [self]
        return [*(self.focused or self.screen).ancestors_with_self]


async def _wait_for_turn(node: MessagePump) -> None:
    """Wait until a widget has handled its queued messages; not for one that is closing."""
    turn = asyncio.Event()
    if node.call_later(turn.set):
        await turn.wait()
