"""What a moderator may want: looked at first, then done. No user interface."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol

from dashboard.client.answers import Player
from dashboard.client.gateway import NOT_FOUND, Gateway, GatewayError, Refused
from dashboard.client.moderation import ChangedEntry, CorrectedSeason
from dashboard.text.names import quote_name
from dashboard.text.numbers import write_amount, write_moment

Mark = Literal["revoke", "restore"]
State = Literal["active", "hidden", "banned"]
Scores = Literal["keep", "revoke"]

_NAME: Final = 30
_NOBODY: Final = "user_not_found"
_LOOKED: Final = "looked at, not done"
_FOREMOST: Final = 5
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

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done.

        `again`: it may be done already, by a call before whose outcome nobody knows. It is done
        once all the same.
        """


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

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done."""
        return await self._call(reason, "now", dry_run=False)

    async def _call(self, reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await self.gateway.mark_sessions(
            self.player.user_id, self.mark, self.session_ids, reason, dry_run=dry_run
        )
        state = "revoked" if self.mark == "revoke" else "restored"
        # Once it is done they all are, whichever call did it.
        amount = write_amount(answer.sessions if dry_run else len(self.session_ids), "session")
        return Outcome(f"{amount} of player {self.player.user_id} {when} {state}", answer.boards)


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

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done."""
        return await self._call(reason, "is now", dry_run=False)

    async def _call(self, reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await self.gateway.change_state(
            self.player.user_id, self.state, self.until, reason, dry_run=dry_run
        )
        zone = self.until.tzinfo if self.until else None
        until = f" until {write_moment(answer.until, zone)}" if answer.until else ""
        return Outcome(f"player {self.player.user_id} {when} {answer.state}{until}", answer.boards)


@dataclass(frozen=True)
class RenameProposal:
    """Give a player another name."""

    gateway: Gateway
    player: Player
    username: str

    @property
    def title(self) -> str:
        """What it is about."""
        return f"Rename {describe_player(self.player)}"

    @property
    def phrase(self) -> str:
        """What to type to have it done."""
        return f"rename {self.player.user_id}"

    async def look(self) -> Outcome:
        """Return what would be done, unless somebody else has that name."""
        try:
            other = await self.gateway.find_player_by_name(self.username)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
        else:
            if other.user_id != self.player.user_id:
                message = f"player {other.user_id} is called that: go back and choose another name"
                raise GatewayError("username_taken", message)
        return self._describe("would be called", self.username)

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done."""
        renamed = await self.gateway.rename_player(self.player.user_id, self.username, reason)
        return self._describe("is now called", renamed.username)

    def _describe(self, when: str, username: str) -> Outcome:
        everywhere = "in every season, closed ones too"
        name = quote_name(username, _NAME)
        return Outcome(f"player {self.player.user_id} {when} {name}, {everywhere}", ())


@dataclass(frozen=True)
class DeleteProposal:
    """Forget who a player was, and keep or revoke the scores."""

    gateway: Gateway
    player: Player
    scores: Scores

    @property
    def title(self) -> str:
        """What it is about."""
        scores = "keep the scores" if self.scores == "keep" else "revoke the scores"
        return f"Delete {describe_player(self.player)}, {scores}"

    @property
    def phrase(self) -> str:
        """What to type to have it done."""
        return f"delete {self.player.user_id}"

    async def look(self) -> Outcome:
        """Return what would be done; entries leave the open boards as with a ban."""
        boards: tuple[ChangedEntry, ...] = ()
        if self.scores == "revoke":
            gone = await self.gateway.change_state(
                self.player.user_id, "banned", None, _LOOKED, dry_run=True
            )
            boards = gone.boards
        return self._describe("would be", boards)

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done."""
        user_id = self.player.user_id
        try:
            await self.gateway.delete_player(user_id, self.scores, reason)
        except Refused as error:
            if not again or error.code != _NOBODY:
                raise
            return Outcome(f"player {user_id} is forgotten for good: nobody has that id now", ())
        return self._describe("is now", ())

    def _describe(self, when: str, boards: tuple[ChangedEntry, ...]) -> Outcome:
        what = "name, external id, metadata and idempotency keys"
        scores = "stay without a name" if self.scores == "keep" else "leave the open boards"
        text = (
            f"player {self.player.user_id} {when} forgotten for good: {what}; the scores {scores}"
        )
        return Outcome(text, boards)


@dataclass
class CorrectProposal:
    """Rank a closed season again without what does not count by now."""

    gateway: Gateway
    slug: str
    number: int
    _revision: int = field(default=0, init=False)

    @property
    def title(self) -> str:
        """What it is about."""
        return f"Correct season {self.number} of {self.slug}"

    @property
    def phrase(self) -> str:
        """What to type to have it done."""
        return f"correct {self.slug} {self.number}"

    async def look(self) -> Outcome:
        """Return what would be done, and whose entries change by it."""
        season = await self._look()
        self._revision = season.revision
        foremost = ", ".join(
            f"player {entry.user_id} {write_rank(entry.rank_before)} → "
            f"{write_rank(entry.rank_after)}"
            for entry in season.entries[:_FOREMOST]
        )
        whose = f", foremost {foremost}" if foremost else ""
        return Outcome(
            f"season {self.number} of {self.slug} would be ranked again without what does not "
            f"count by now: revision {season.revision} of its result. Entries that change: "
            f"{season.changes:,}{whose}",
            (),
        )

    async def do(self, reason: str, *, again: bool) -> Outcome:
        """Do it, and return what was done."""
        revision = self._revision
        # Each time makes another revision. The look waits for a call that is still under way, and
        # names the revision after the one there is.
        if not again or (await self._look()).revision <= revision:
            season = await self.gateway.correct_season(
                self.slug, self.number, reason, dry_run=False
            )
            revision = season.revision
        return Outcome(f"season {self.number} of {self.slug} is corrected: revision {revision}", ())

    async def _look(self) -> CorrectedSeason:
        return await self.gateway.correct_season(self.slug, self.number, _LOOKED, dry_run=True)


def write_rank(rank: int | None) -> str:
    """Return a rank as it is or becomes."""
    return "no rank" if rank is None else f"#{rank:,}"
