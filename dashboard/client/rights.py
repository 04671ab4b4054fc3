"""What this console may write, and why it may not."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Right = Literal["traffic", "moderation"]
"""`traffic`: runs, and scores by hand with their undoing; `moderation`: whatever else is revoked,
restored or decided about players."""

_ALL: Final[tuple[Right, ...]] = get_args(Right)


class Rights:
    """The rights of a console: all of them, but for those that are refused for a reason."""

    def __init__(self, refusals: Mapping[Right, str] | None = None) -> None:
        self._refusals = refusals or {}

    @classmethod
    def of_reader(cls, reason: str) -> "Rights":
        """Return the rights of a console that only looks."""
        return cls(dict.fromkeys(_ALL, reason))

    def find_refusal(self, right: Right | None) -> str | None:
        """Return why something is refused, None where it is not; looking never is."""
        return self._refusals.get(right) if right is not None else None

    @property
    def are_none(self) -> bool:
        """Whether nothing at all may be written."""
        return self._refusals.keys() == set(_ALL)
