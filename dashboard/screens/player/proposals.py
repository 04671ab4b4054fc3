"""What a moderator may want: looked at first, then done. No user interface."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

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
    boards: tuple[ChangedEntry, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Something to decide; its calls raise `GatewayError`."""

    title: str
    phrase: str
    """What to type to have it done."""
    look: Callable[[], Awaitable[Outcome]]
    """Returns what would be done."""
    do: Callable[[str], Awaitable[Outcome]]
    """Does it for a reason, and returns what was done."""
    redo: Callable[[str], Awaitable[Outcome]] | None = None
    """In place of `do` where that would do it twice, after a call whose outcome nobody knows."""
    is_of_identity: bool = False
    """Whether the player has another name by it, or none."""


def describe_player(player: Player) -> str:
    """Return a player's id and name."""
    return f"player {player.user_id}, {quote_name(player.username, _NAME)}"


def propose_mark(
    gateway: Gateway, player: Player, mark: Mark, session_ids: Sequence[int]
) -> Proposal:
    """Return how sessions of a player are revoked, or count again."""

    async def call(reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await gateway.mark_sessions(
            player.user_id, mark, session_ids, reason, dry_run=dry_run
        )
        state = "revoked" if mark == "revoke" else "restored"
        # Once it is done they all are, whichever call did it.
        amount = write_amount(answer.sessions if dry_run else len(session_ids), "session")
        return Outcome(f"{amount} of player {player.user_id} {when} {state}", answer.boards)

    amount = write_amount(len(session_ids), "session")
    return Proposal(
        title=f"{mark.capitalize()} {amount} of {describe_player(player)}",
        phrase=f"{mark} {player.user_id}",
        look=lambda: call(_LOOKED, "would be", dry_run=True),
        do=lambda reason: call(reason, "now", dry_run=False),
    )


def propose_state(
    gateway: Gateway, player: Player, state: State, until: datetime | None
) -> Proposal:
    """Return how a player gets a state, for good or until a moment."""

    async def call(reason: str, when: str, *, dry_run: bool) -> Outcome:
        answer = await gateway.change_state(player.user_id, state, until, reason, dry_run=dry_run)
        zone = until.tzinfo if until else None
        ends = f" until {write_moment(answer.until, zone)}" if answer.until else ""
        return Outcome(f"player {player.user_id} {when} {answer.state}{ends}", answer.boards)

    return Proposal(
        title=f"{_VERBS[state].capitalize()} {describe_player(player)}",
        phrase=f"{_VERBS[state]} {player.user_id}",
        look=lambda: call(_LOOKED, "would be", dry_run=True),
        do=lambda reason: call(reason, "is now", dry_run=False),
    )


def propose_name(gateway: Gateway, player: Player, username: str) -> Proposal:
    """Return how a player gets another name."""

    def describe(when: str, username: str) -> Outcome:
        name, everywhere = quote_name(username, _NAME), "in every season, closed ones too"
        return Outcome(f"player {player.user_id} {when} {name}, {everywhere}")

    async def look() -> Outcome:
        try:
            other = await gateway.find_player_by_name(username)
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
        else:
            if other.user_id != player.user_id:
                message = f"player {other.user_id} is called that: go back and choose another name"
                raise GatewayError("username_taken", message)
        return describe("would be called", username)

    async def do(reason: str) -> Outcome:
        renamed = await gateway.rename_player(player.user_id, username, reason)
        return describe("is now called", renamed.username)

    title, phrase = f"Rename {describe_player(player)}", f"rename {player.user_id}"
    return Proposal(title, phrase, look, do, is_of_identity=True)


def propose_deletion(gateway: Gateway, player: Player, scores: Scores) -> Proposal:
    """Return how it is forgotten who a player was, while the scores are kept or revoked."""
    user_id = player.user_id

    def describe(when: str, boards: tuple[ChangedEntry, ...] = ()) -> Outcome:
        what = "name, external id, metadata and idempotency keys"
        go = "stay without a name" if scores == "keep" else "leave the open boards"
        text = f"player {user_id} {when} forgotten for good: {what}; the scores {go}"
        return Outcome(text, boards)

    async def look() -> Outcome:
        if scores == "keep":
            return describe("would be")
        # Entries leave the open boards as with a ban.
        gone = await gateway.change_state(user_id, "banned", None, _LOOKED, dry_run=True)
        return describe("would be", gone.boards)

    async def do(reason: str) -> Outcome:
        await gateway.delete_player(user_id, scores, reason)
        return describe("is now")

    async def redo(reason: str) -> Outcome:
        try:
            return await do(reason)
        except Refused as error:
            if error.code != _NOBODY:
                raise
            return Outcome(f"player {user_id} is forgotten for good: nobody has that id now")

    title = f"Delete {describe_player(player)}, {scores} the scores"
    return Proposal(title, f"delete {user_id}", look, do, redo, is_of_identity=True)


def propose_correction(gateway: Gateway, slug: str, number: int) -> Proposal:
    """Return how a closed season is ranked again without what does not count by now."""
    revision = 0

    async def ask() -> CorrectedSeason:
        return await gateway.correct_season(slug, number, _LOOKED, dry_run=True)

    async def look() -> Outcome:
        nonlocal revision
        season = await ask()
        revision = season.revision
        foremost = ", ".join(
            f"player {entry.user_id} {write_rank(entry.rank_before)} → "
            f"{write_rank(entry.rank_after)}"
            for entry in season.entries[:_FOREMOST]
        )
        whose = f", foremost {foremost}" if foremost else ""
        return Outcome(
            f"season {number} of {slug} would be ranked again without what does not "
            f"count by now: revision {revision} of its result. Entries that change: "
            f"{season.changes:,}{whose}"
        )

    def describe(revision: int) -> Outcome:
        return Outcome(f"season {number} of {slug} is corrected: revision {revision}")

    async def do(reason: str) -> Outcome:
        season = await gateway.correct_season(slug, number, reason, dry_run=False)
        return describe(season.revision)

    async def redo(reason: str) -> Outcome:
        # Each time makes another revision. The look waits for a call that is still under way, and
        # names the revision after the one there is.
        is_done = (await ask()).revision > revision
        return describe(revision) if is_done else await do(reason)

    title, phrase = f"Correct season {number} of {slug}", f"correct {slug} {number}"
    return Proposal(title, phrase, look, do, redo)


def write_rank(rank: int | None) -> str:
    """Return a rank as it is or becomes."""
    return "no rank" if rank is None else f"#{rank:,}"
