"""What a moderator may want: looked at first, then done. No user interface."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol

from dashboard.client.answers import Player
from dashboard.client.gateway import Gateway
from dashboard.client.moderation import ChangedEntry
from dashboard.text.names import quote_name
from dashboard.text.numbers import write_amount, write_moment

Mark = Literal["revoke", "restore"]
State = Literal["active", "hidden", "banned"]

_NAME: Final = 30
_LOOKED: Final = "looked at, not done"
_VERBS: Final = {"active": "activate", "hidden": "hide", "banned": "ban"}


class Outcome(NamedTuple):
    """What was done or would be, and the entries that change by it."""

    text: str
    boards: tuple[ChangedEntry, ...]


class Proposal(Protocol):
    """Something to decide about a player; both calls raise `GatewayError`."""

    @property
    def title(self) -> str:
        """What it is about."""

    @property
    def phrase(self) -> str:
        """What to type to have it done."""

    async def look(self) -> Outcome:
        """Return what would be done."""

    async def do(self, reason: str) -> Outcome:
        """Do it, and return what was done."""


def describe_player(player: Player) -> str:
    """Return a player's id and name."""
    return f"player {player.user_id}, {quote_name(player.username, _NAME)}"


@dataclass(frozen=True)
class MarkProposal:
    """Revoke sessions of a player, or have them count again."""

    gateway: Gateway
    player: Player
    mark: Mark
    session_ids: tuple[int, ...]

    @property
    def title(self) -> str:
        """What it is about."""
        amount = write_amount(len(self.session_ids), "session")
        return f"{self.mark.capitalize()} {amount} of {describe_player(self.player)}"

    @property
    def phrase(self) -> str:
        """What to type to have it done."""
        return f"{self.mark} {self.player.user_id}"

    async def look(self) -> Outcome:
        """Return what would be done."""
        return await self._call(_LOOKED, "would be", dry_run=True)

    async def do(self, reason: str) -> Outcome:
        """Do it, and return what was done."""
        return await self._call(reason, "now", dry_run=False)

    async def _call(self, reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await self.gateway.mark_sessions(
            self.player.user_id, self.mark, self.session_ids, reason, dry_run=dry_run
        )
        state = "revoked" if self.mark == "revoke" else "restored"
        return Outcome(
            f"{write_amount(answer.sessions, 'session')} of player {self.player.user_id} "
            f"{when} {state}",
            answer.boards,
        )


@dataclass(frozen=True)
class StateProposal:
    """Give a player a state, for good or until a moment."""

    gateway: Gateway
    player: Player
    state: State
    until: datetime | None

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{_VERBS[self.state].capitalize()} {describe_player(self.player)}"

    @property
    def phrase(self) -> str:
        """What to type to have it done."""
        return f"{_VERBS[self.state]} {self.player.user_id}"

    async def look(self) -> Outcome:
        """Return what would be done."""
        return await self._call(_LOOKED, "would be", dry_run=True)

    async def do(self, reason: str) -> Outcome:
        """Do it, and return what was done."""
        return await self._call(reason, "is now", dry_run=False)

    async def _call(self, reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await self.gateway.change_state(
            self.player.user_id, self.state, self.until, reason, dry_run=dry_run
        )
        zone = self.until.tzinfo if self.until else None
        until = f" until {write_moment(answer.until, zone)}" if answer.until else ""
        return Outcome(f"player {self.player.user_id} {when} {answer.state}{until}", answer.boards)
