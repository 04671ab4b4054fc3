"""What the console may see with its API key, where that is not an admin's."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from dashboard.state.parts.verdict import ADVICE, Trouble
from dashboard.text.names import clean_name

_KEYS: Final = {
    "moderator": "this key is a moderator's",
    "submit": "this key reads and submits",
    "read": "this key only reads",
}
_NO_KEY: Final = "there is no key"

_ADMIN: Final = "Health and runs need an admin's key"
_MODERATING: Final = "moderating a moderator's"
_SUBMITTING: Final = "scores by hand one that submits"
_NEEDS: Final = {
    "moderator": (_ADMIN,),
    "submit": (_ADMIN, _MODERATING),
}
_NEEDS_OF_OTHERS: Final = (_ADMIN, _MODERATING, _SUBMITTING)

_PARTS: Final = {"postgresql": "PostgreSQL", "redis": "Redis", "worker": "Worker"}
_WELL: Final = ("ok", "unknown")
"""How the words begin of a part that is well, or only heard of through one that is not."""


class Access(NamedTuple):
    """The role of the key, None without one, and what everybody may know of the parts, in words."""

    role: str | None
    parts: Mapping[str, str]

    def describe(self) -> str:
        """Return what the key is for and what needs another one."""
        if self.role is None:
            return f"{_NO_KEY}: {', '.join(_NEEDS_OF_OTHERS)}"
        key = _KEYS.get(self.role, f"this key's is {self.role}")
        return f"{key}: {', '.join(_NEEDS.get(self.role, _NEEDS_OF_OTHERS))}"

    def describe_briefly(self) -> str:
        """Return it for the status bar."""
        return "without a key" if self.role is None else f"as {clean_name(self.role)}"

    def is_away(self, part: str) -> bool:
        """Return whether a part is known to be away."""
        return self.parts.get(part, "").startswith("away")

    def list_troubles(self) -> Sequence[Trouble]:
        """Return what is wrong with the parts, cause first, as far as everybody may know."""
        troubles = []
        for part, title in _PARTS.items():
            state, _, effect = clean_name(self.parts.get(part, "unknown")).partition(": ")
            if not state.startswith(_WELL):
                what, effect = f"{title} {state}", effect or "see Health"
                troubles.append(Trouble("bad", what, effect, ADVICE[part]))
        return troubles
