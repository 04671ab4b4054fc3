"""Other keys for the console's actions, from a file."""

import tomllib
from collections.abc import Collection
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
        if not isinstance(keys, str) or not keys:
            raise UnusableKeymap(f'{path}: {name} needs keys such as "p" or "p,ctrl+s"')
        keymap[name] = keys
    return keymap
