"""What the operator can do on a screen, who does it, and by which keys."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import KEY_DISPLAY_ALIASES, format_key

PALETTE_ID: Final = "console.palette"


class Action(NamedTuple):
    """Something that the operator can do, who does it, and by which keys."""

    node: DOMNode
    binding: Binding
    keys: str

    @property
    def description(self) -> str:
        """What it does; the footer may have room for less."""
        return self.binding.tooltip or self.binding.description


def list_actions(
    nodes: Iterable[DOMNode], keymap: Mapping[str, str], display: Callable[[Binding], str]
) -> list[Action]:
    """Return the console's own actions of these nodes, with the keys they have now.

    Textual's list of active bindings lacks those whose key the field in focus takes as text.
    """
    actions = []
    for node in nodes:
        for binding in type(node).BINDINGS:
            if isinstance(binding, Binding) and binding.id:
                keys = keymap.get(binding.id, binding.key).split(",")
                shown = [display(binding.with_key(key)) for key in keys]
                actions.append(Action(node, binding, " ".join(shown)))
    return actions


def read_default_keys(owners: Iterable[type[DOMNode]]) -> dict[str, str]:
    """Return the keys that actions have until they are changed, by the ids of the actions."""
    bindings = (binding for owner in owners for binding in owner.BINDINGS)
    return {
        binding.id: binding.key
        for binding in bindings
        if isinstance(binding, Binding) and binding.id
    }


def name_key(key: str) -> str:
    """Return a key as people write it: `slash` as /, and no signs for keys that have a word."""
    if key in {"minus", "-"}:
        # In a sentence a hyphen does not look like a key.
        return "\N{MINUS SIGN}"
    *modifiers, last = key.split("+")
    return "+".join([*modifiers, last if last in KEY_DISPLAY_ALIASES else format_key(last)])
