"""The keys that work now, along the bottom."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Footer


class NamedKey(NamedTuple):
    """A key by its own name and as two pieces of text, which have the blanks around them."""

    key: str
    name: str
    description: str
    tooltip: str

    @property
    def width(self) -> int:
        """How many cells it takes."""
        return cell_len(self.name + self.description)


class KeyLine(Widget):
    """Names keys side by side; a click on one presses it."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "key-line--key",
        "key-line--description",
        "key-line--hovered",
    }

    DEFAULT_CSS = """
    KeyLine {
        width: auto;
        height: 1;
        background: $footer-item-background;
        &:hover { pointer: pointer; }
        &.-palette {
            dock: right;
            padding-right: 1;
            border-left: vkey $foreground 20%;
            &:hover { background: $block-hover-background; }
        }
        & .key-line--key {
            color: $footer-key-foreground;
            background: $footer-key-background;
            text-style: bold;
        }
        & .key-line--description {
            color: $footer-description-foreground;
            background: $footer-description-background;
        }
        & .key-line--hovered {
            color: $footer-key-foreground;
            background: $block-hover-background;
        }
        &.-palette .key-line--hovered { background: transparent; }
    }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        # By itself it is as wide as what it names, also where there is room for less.
        self.set_reactive(Widget.shrink, False)  # noqa: FBT003
        self._keys: Sequence[NamedKey] = ()
        self._mouse: Offset | None = None
        self._hovered: NamedKey | None = None
        self.display = False

    def show(self, keys: Sequence[NamedKey]) -> None:
        """Name these keys, anew only where there are others to name."""
        if keys != self._keys:
            self._keys = keys
            self.display = bool(keys)
            self.refresh(layout=True)
            self._hover(self._mouse)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Take what all keys take."""
        return sum(key.width for key in self._keys)

    def render_line(self, y: int) -> Strip:
        """Draw the keys."""
        return Strip([segment for key in self._keys for segment in self._draw_key(key)])

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press the key under the mouse."""
        key = self._find_key(event.get_content_offset(self))
        if key is not None:
            self.app.simulate_key(key.key)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the key under the mouse."""
        self._hover(event.get_content_offset(self))

    def on_leave(self) -> None:
        """Mark no key."""
        self._hover(None)

    def _hover(self, mouse: Offset | None) -> None:
        self._mouse = mouse
        key = self._find_key(mouse)
        if key is not self._hovered:
            self._hovered = key
            self.tooltip = key.tooltip if key is not None and key.tooltip else None
            self.refresh()

    def _find_key(self, mouse: Offset | None) -> NamedKey | None:
        if mouse is None:
            return None
        ends = accumulate(key.width for key in self._keys)
        return next((key for key, end in zip(self._keys, ends, strict=True) if mouse.x < end), None)

    def _draw_key(self, key: NamedKey) -> Iterator[Segment]:
        for text, part in ((key.name, "key"), (key.description, "description")):
            style = self.get_component_rich_style(f"key-line--{part}")
            if key is self._hovered:
                hovered = self.get_component_rich_style("key-line--hovered")
                style = hovered + self.get_component_rich_style(f"key-line--{part}", partial=True)
            yield Segment(text, style)


class KeyFooter(Footer):
    """Names the keys of the screen in a line, and that of the palette at its end.

    Textual's own has a widget for each key, and mounts and styles all of them again, each twice,
    whenever the focus moves: a quarter of the time that it took to open a screen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._named = KeyLine()
        self._palette = KeyLine(classes="-palette")
        self._front: Screen[object] | None = None

    def compose(self) -> ComposeResult:
        """The two parts, which are filled when the screen knows its keys."""
        yield self._named
        yield self._palette

    def on_mount(self) -> None:
        """Name the keys: the screen may have told of them before anybody listened."""
        self.bindings_changed(self.screen)

    def follow(self, front: Screen[object]) -> None:
        """Name the keys of the screen in front: a dialog over this one has its own."""
        if front is not self._front:
            self._front = front
            self.call_next(self.recompose)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Name other keys, also while the operator types in another window and looks at this one.

        Textual would wait until the terminal has the focus, and leave it to the screen that is
        shown at that moment: that may be the one before, and then the line would stay as it was.
        """
        if self.is_attached and screen is self.screen:
            self.call_next(self.recompose)

    async def recompose(self) -> None:
        """Name the keys that work now, in the parts that are there."""
        if not self.is_attached:
            return
        is_there = self._front is not None and self._front.is_attached
        front = self._front if self._front is not None and is_there else self.screen
        active_bindings = front.active_bindings
        # Its key works over a dialog too.
        palette = self.screen.active_bindings.get(self.app.COMMAND_PALETTE_BINDING)
        shown: dict[str, ActiveBinding] = {}
        for active in active_bindings.values():
            if active.binding.show:
                # Several keys of an action are one thing to do, named by the first.
                shown.setdefault(active.binding.action, active)
        at_end = [self._name_palette(palette)] if palette else []
        room = self.size.width - sum(key.width + 2 for key in at_end)
        self._named.show(self._choose_fitting(list(shown.values()), room))
        self._palette.show(at_end)
        if front is not self.screen:
            # What lies behind dialogs is drawn anew only with each of them.
            for dialog in self.app.screen_stack[1:]:
                dialog.refresh()

    def _choose_fitting(self, actives: list[ActiveBinding], room: int) -> list[NamedKey]:
        """Return the keys for which there is room as a whole, and the one that lists all others."""
        named = [(self._name_key(active), active.binding.action) for active in actives]
        while named and self.size and sum(key.width for key, _ in named) > room:
            last = max((at for at, (_, action) in enumerate(named) if action != "keys"), default=0)
            del named[last]
        return [key for key, _ in named]

    def _name_key(self, active: ActiveBinding) -> NamedKey:
        binding = active.binding
        name = f" {self.app.get_key_display(binding)} "
        return NamedKey(binding.key, name, f"{binding.description} ", active.tooltip)

    def _name_palette(self, active: ActiveBinding) -> NamedKey:
        binding = active.binding
        tooltip = binding.tooltip or binding.description
        name = self.app.get_key_display(binding)
        return NamedKey(binding.key, name, f" {binding.description}", tooltip)
