"""The file in which people write down how the console is to be: `console.toml` of its folder."""

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from dashboard.configuration.columns import COLUMNS, LEAST_COLUMNS, REVERSE_MARK
from dashboard.keys.keymap import UnusableKeymap, check_keymap

_LONGEST_NAME: Final = 16
_NAME_SIGNS: Final = "-_."


class UnusableConfiguration(Exception):
    """The file is there and cannot be used; the message names it and the line or field."""


class UnreadableConfiguration(UnusableConfiguration):
    """The file may be there, but what is in it cannot be read."""


@dataclass(frozen=True)
class Profile:
    """A service by a name of its own; unless it says otherwise, the console only looks at it."""

    name: str
    url: str
    key_file: Path | None = None
    key_variable: str | None = None
    colour: str | None = None
    read_only: bool = True


@dataclass(frozen=True)
class Configuration:
    """What the file says; None or nothing where it says nothing."""

    path: Path = Path()
    theme: str | None = None
    columns: tuple[str, ...] | None = None
    sort: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def find_profile(self, name: str) -> Profile:
        """Return a profile; raises `UnusableConfiguration` where there is none of that name."""
        if name not in self.profiles:
            there = ", ".join(sorted(self.profiles)) or "none"
            text = f"{self.path}: there is no profile {name!r}; there is {there}"
            raise UnusableConfiguration(text)
        return self.profiles[name]


class Allowed(NamedTuple):
    """What may stand in the file besides columns: names of themes, limits and colours, and keys."""

    themes: Collection[str]
    limits: Collection[str]
    keys: Mapping[str, str]
    name_key: Callable[[str], str]
    is_colour: Callable[[str], bool]


def read_configuration(path: Path, allowed: Allowed) -> Configuration:
    """Return what a file says; nothing where it is not there.

    Raises `UnusableConfiguration`; `UnreadableConfiguration` where nobody can tell what it says.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Configuration(path)
    except OSError as error:
        raise UnreadableConfiguration(f"{path}: {error.strerror}") from error
    try:
        table = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnusableConfiguration(f"{path} is not TOML: {error}") from error
    return _read_all(_Table(path, "", table), allowed)


def _read_all(table: "_Table", allowed: Allowed) -> Configuration:
    theme = table.take_text("theme")
    if theme is not None and theme not in allowed.themes:
        table.complain("theme", f"{theme!r} is none of {', '.join(sorted(allowed.themes))}")
    configuration = Configuration(
        path=table.path,
        theme=theme,
        columns=_read_columns(table),
        sort=_read_sort(table),
        keys=_read_keys(table.take_table("keys"), allowed),
        limits=_read_limits(table.take_table("limits"), allowed.limits),
        profiles=_read_profiles(table.take_table("profiles"), allowed.is_colour),
    )
    table.end()
    return configuration


def _read_columns(table: "_Table") -> tuple[str, ...] | None:
    columns = table.take("columns", list, 'a list such as ["rank", "player"]')
    if columns is None:
        return None
    for column in columns:
        if column not in COLUMNS:
            table.complain("columns", f"{column!r} is none of {', '.join(COLUMNS)}")
    missing = [column for column in LEAST_COLUMNS if column not in columns]
    if missing or len(set(columns)) < len(columns):
        least = " and ".join(LEAST_COLUMNS)
        table.complain("columns", f"{least} have to be there, and each column once at most")
    return tuple(columns)


def _read_sort(table: "_Table") -> str | None:
    sort = table.take_text("sort")
    sorting = [name for name, column in COLUMNS.items() if column.sorts]
    if sort is not None and sort.removeprefix(REVERSE_MARK) not in sorting:
        columns = ", ".join(sorting)
        table.complain("sort", f"{sort!r} is none of {columns}, with a - in front to reverse it")
    return sort


def _read_keys(table: "_Table", allowed: Allowed) -> dict[str, str]:
    # Without its quotes, "console.pause" is a table in TOML, and means the same.
    keys = {
        f"{name}.{part}" if part else name: value
        for name, found in table.content.items()
        for part, value in (found.items() if isinstance(found, dict) else [("", found)])
    }
    try:
        return check_keymap(keys, allowed.keys, allowed.name_key)
    except UnusableKeymap as error:
        raise UnusableConfiguration(f"{table.path}: keys: {error}") from error


def _read_limits(table: "_Table", names: Collection[str]) -> dict[str, float]:
    limits = {}
    for name in names:
        value = table.take(name, (int, float), "a number above 0")
        if value is not None:
            if isinstance(value, bool) or not 0 < value < float("inf"):
                table.complain(name, f"{value!r} is not a number above 0")
            limits[name] = float(value)
    table.end(names)
    return limits


def _read_profiles(table: "_Table", is_colour: Callable[[str], bool]) -> dict[str, Profile]:
    profiles = {}
    for name in list(table.content):
        signs = name.translate(str.maketrans("", "", _NAME_SIGNS))
        if not (signs.isalnum() and signs.isascii() and len(name) <= _LONGEST_NAME):
            table.complain(name, f"a name has 1 to {_LONGEST_NAME} letters, digits, - _ and .")
        profiles[name] = _read_profile(name, table.take_table(name), is_colour)
    return profiles


def _read_profile(name: str, table: "_Table", is_colour: Callable[[str], bool]) -> Profile:
    url = table.take_text("url")
    if url is None:
        table.complain("url", 'it has to be there, such as "https://host"')
    colour = table.take_text("colour")
    if colour is not None and not is_colour(colour):
        table.complain("colour", f'{colour!r} is no colour such as "red" or "#ff0000"')
    key_file = table.take_text("key_file")
    profile = Profile(
        name=name,
        url=url,
        key_file=_find_key_file(table, key_file) if key_file else None,
        key_variable=table.take_text("key_variable"),
        colour=colour,
        read_only=table.take("read_only", bool, "true or false") is not False,
    )
    if profile.key_file is not None and profile.key_variable is not None:
        table.complain("key_file", "a key is in a file or in a variable: name one of them")
    table.end()
    return profile


def _find_key_file(table: "_Table", name: str) -> Path:
    """Return where a file is that is named beside this one, or below somebody's home."""
    path = Path(name)
    try:
        return table.path.parent / path.expanduser()
    except RuntimeError:
        table.complain("key_file", f"nobody's home is {path.parts[0]}")


class _Table:
    """A table of the file: its fields are taken one by one, and what is left is unknown."""

    def __init__(self, path: Path, where: str, content: dict[str, Any]) -> None:
        self.path = path
        self.content = content
        self._where = where
        self._taken: list[str] = []

    def complain(self, name: str, text: str) -> NoReturn:
        """Say what is wrong with a field."""
        raise UnusableConfiguration(f"{self.path}: {self._where}{name}: {text}")

    def take(self, name: str, kind: type | tuple[type, ...], expected: str) -> Any:
        """Return the value of a field, None where it is not there."""
        self._taken.append(name)
        value = self.content.get(name)
        if value is not None and not isinstance(value, kind):
            self.complain(name, f"{value!r} is not {expected}")
        return value

    def take_text(self, name: str) -> str | None:
        """Return the text of a field, None where it is not there."""
        text: str | None = self.take(name, str, "text in quotes")
        if text == "":
            self.complain(name, "it is empty")
        return text

    def take_table(self, name: str) -> "_Table":
        """Return a table within this one, empty where it is not there."""
        content = self.take(name, dict, f"a table: [{self._where}{name}]")
        return _Table(self.path, f"{self._where}{name}.", content or {})

    def end(self, allowed: Collection[str] = ()) -> None:
        """Complain of the first field that nobody has taken."""
        for name in self.content:
            if name not in self._taken:
                there = ", ".join(allowed or self._taken)
                self.complain(name, f"there is no such field; there are {there}")
