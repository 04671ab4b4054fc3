"""Other keys for the console's actions, from a file, and their names in what the console says."""

import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path


class UnusableKeymap(Exception):
    """The file of keys cannot be used; the message says which line of it, or why."""


def read_keymap(path: Path, known: Collection[str]) -> dict[str, str]:
    """Return keys by the id of their action, as in `"console.pause" = "p,ctrl+s"`.

    Raises `UnusableKeymap` for a file that cannot be read and for an id that no action has.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableKeymap(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnusableKeymap(f"{path} is not TOML: {error}") from error
    keymap: dict[str, str] = {}
    for name, keys in content.items():
        if name not in known:
            ids = ", ".join(sorted(known))
            raise UnusableKeymap(f"{path}: no action is called {name!r}; there are {ids}")
        if not isinstance(keys, str) or not all(key.strip() for key in keys.split(",")):
            raise UnusableKeymap(f'{path}: {name} needs keys such as "p" or "p,ctrl+s"')
        keymap[name] = keys
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

    def __getitem__(self, action_id: str) -> str:
        """Return the first key of an action: one is enough to say how something is done."""
        return self.list_names(action_id)[0]

    def list_names(self, action_id: str) -> list[str]:
        """Return all keys of an action."""
        keys = self._changed.get(action_id, self._defaults[action_id])
        return [self._name_key(key) for key in keys.split(",")]
