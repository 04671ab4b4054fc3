"""How the console is to be: what is written, what was chosen in it, and where both are kept."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dashboard.configuration.file import Configuration, Profile

_FOLDER: Final = "leaderboard"
WRITTEN: Final = "console.toml"
"""The file that people write."""

_CHOSEN: Final = "console-choices.json"


class NotKept(Exception):
    """A choice lasts until the console is closed, and no longer; the message says why."""


def locate_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder in which both files are, as the XDG base directories have it."""
    named = Path(environ.get("XDG_CONFIG_HOME", ""))
    # A relative one is not valid, says the specification, and is not looked at.
    return (named if named.is_absolute() else Path.home() / ".config") / _FOLDER


class Choices:
    """What was chosen in the console, kept for the next start beside the file that people write.

    A choice holds for as long as that file says what it said when the choice was made: the last
    word counts, wherever it was said. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / _CHOSEN

    def find(self, name: str, written: Any) -> Any:
        """Return what was chosen, else what is written; raises `NotKept` where that is unknown."""
        kept = self._read().get(name)
        if isinstance(kept, dict) and kept.get("over") == written and "chosen" in kept:
            return kept["chosen"]
        return written

    def keep(self, name: str, chosen: Any, written: Any) -> None:
        """Keep a choice that was made over what is written. Raises `NotKept`."""
        if self._path is None:
            return
        # Other consoles keep theirs here too.
        kept = self._read() | {name: {"chosen": chosen, "over": written}}
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(kept, indent=2) + "\n")
            new.replace(self._path)
        except OSError as error:
            raise NotKept(f"{self._path}: {error.strerror}") from error

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            kept = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            # Nobody writes it by hand: what is no choice is overwritten by the next one.
            return {}
        except OSError as error:
            raise NotKept(f"{self._path}: {error.strerror}") from error
        return kept if isinstance(kept, dict) else {}


@dataclass(frozen=True)
class Preferences:
    """What is written and what was chosen; `notices` are what could not be read, and why."""

    configuration: Configuration = field(default_factory=Configuration)
    profile: Profile | None = None
    choices: Choices = field(default_factory=Choices)
    notices: tuple[str, ...] = ()
