"""Other keys for the console's actions, and their names in what the console says."""

from collections.abc import Callable, Mapping
from typing import Final


class UnusableKeymap(Exception):
    """Keys cannot be used as they are; the message says which, or why."""


def check_keymap(
    wanted: Mapping[str, object], defaults: Mapping[str, str], name_key: Callable[[str], str]
) -> dict[str, str]:
    """Return keys by the id of their action, as in `"console.pause": "p,ctrl+s"`.

    Raises `UnusableKeymap` for an id that no action has, for what is no key, and for a key that
    another action already has.
    """
    keymap: dict[str, str] = {}
    for name, keys in wanted.items():
        if name not in defaults:
            ids = ", ".join(sorted(defaults))
            raise UnusableKeymap(f"no action is called {name!r}; there are {ids}")
        if not isinstance(keys, str) or not all(key.strip() for key in keys.split(",")):
            raise UnusableKeymap(f'{name} needs keys such as "p" or "p,ctrl+s"')
        keymap[name] = keys
    names = KeyNames(defaults, name_key)
    names.change(keymap)
    for name in keymap:
        taken = names.find_rival(name)
        if taken is not None:
            raise UnusableKeymap(f"{name} and {taken} would have the same key")
    return keymap


class KeyNames:
    """How sentences name the keys in effect, by the ids of their actions: `keys["live.follow"]`."""

    def __init__(self, defaults: Mapping[str, str], name_key: Callable[[str], str]) -> None:
        self._defaults = defaults
        self._name_key = name_key
        self._changed: Mapping[str, str] = {}

    def change(self, keymap: Mapping[str, str]) -> None:
        """Name the keys of this keymap from now on, and the defaults of what it leaves out."""
        self._changed = keymap

    def __contains__(self, action_id: str) -> bool:
        """Return whether there is such an action."""
        return action_id in self._defaults

    def __getitem__(self, action_id: str) -> str:
        """Return the first key of an action: one is enough to say how something is done."""
        return self.list_names(action_id)[0]

    def list_names(self, action_id: str) -> list[str]:
        """Return all keys of an action."""
        return [self._name_key(key) for key in self.list_keys(action_id)]

    def list_keys(self, action_id: str) -> list[str]:
        """Return all keys of an action as Textual calls them."""
        keys = self._changed.get(action_id, self._defaults[action_id])
        return [key.strip() for key in keys.split(",")]

    def find_rival(self, action_id: str) -> str | None:
        """Return an action of the same screen that has one of its keys, of which one would not act.

        Not one that shares a key with it by default: those two are never offered together, or mean
        the same.
        """
        own, default = set(self.list_names(action_id)), self._list_default_names(action_id)
        for other in self._defaults:
            if other == action_id or not _meet(action_id, other):
                continue
            if not default & self._list_default_names(other) and own & set(self.list_names(other)):
                return other
        return None

    def _list_default_names(self, action_id: str) -> set[str]:
        return {self._name_key(key.strip()) for key in self._defaults[action_id].split(",")}


_EVERYWHERE: Final = {"console", "mode"}
_PARTS: Final = {"board": "live", "choice": "simulate", "routes": "health"}
_DIALOGS: Final = {
    *("prompt", "boards", "finder", "explain", "log", "slow", "columns", "keys"),
    *("sessions", "states", "decide"),
}


def _meet(one: str, other: str) -> bool:
    """Return whether two actions are both offered on some screen."""
    first, second = (_find_screen(action) for action in (one, other))
    if first == second:
        return True
    # A dialog has the keys to itself.
    return not _DIALOGS & {first, second} and bool(_EVERYWHERE & {first, second})


def _find_screen(action_id: str) -> str:
    """Return where an action is offered: a screen, a dialog, or `console` for all screens."""
    place = action_id.partition(".")[0]
    return "console" if place in _EVERYWHERE else _PARTS.get(place, place)
