"""The keys that work now, along the bottom."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Footer

from dashboard.keys.actions import PALETTE_ID


class KeyFooter(Footer):
    """Names keys, anew only when there are others to name.

    Textual's own does so whenever the focus moves, and styles a widget for each key again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._named: list[tuple[Binding, bool, str]] = []

    def compose(self) -> ComposeResult:
        """A part for each key."""
        self._named = self._list_keys()
        yield from super().compose()

    async def recompose(self) -> None:
        """Make the parts anew, unless they are right."""
        if not self.children or self._named != self._list_keys():
            await super().recompose()

    def _list_keys(self) -> list[tuple[Binding, bool, str]]:
        return [
            (active.binding, active.enabled, active.tooltip)
            for active in self.screen.active_bindings.values()
            if active.binding.show or active.binding.id == PALETTE_ID
        ]
