"""What the palette lists beside the actions: whatever the finder finds."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

from textual.command import Hit, Hits, Provider
from textual.content import Content

from dashboard.state.console_state import ConsoleState
from dashboard.state.finding import Found, describe


class Command(NamedTuple):
    """Something that can be done here: its name, its keys and how it is done."""

    name: str
    keys: str
    run: Callable[[], Awaitable[Any]]


@runtime_checkable
class Finds(Protocol):
    """An app that finds, and shows what was found."""

    state: ConsoleState

    async def search_everything(self, wanted: str) -> list[Found]:
        """Return what may be meant, the likeliest first."""
        ...

    def go_to(self, found: Found | None) -> None:
        """Show what was found."""
        ...


class FoundProvider(Provider):
    """Has the palette list players, ranks, boards, seasons and runs."""

    async def search(self, query: str) -> Hits:
        """Yield what is found, the likeliest first."""
        console: object = self.app
        assert isinstance(console, Finds)
        zone = console.state.clock.now().tzinfo
        for place, found in enumerate(await console.search_everything(query)):
            kind, name, fact = describe(found, zone)
            text = f"{kind}: {name} ({fact})"
            yield Hit(1 / (2 + place), Content(text), partial(console.go_to, found), text=text)
