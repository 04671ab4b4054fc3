"""The command line of `leaderboard moderate`: what moderators may over HTTP, for operators."""

# Imports inside the commands keep `--help` and the start of every other command fast.
# ruff: noqa: PLC0415

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from service.command_line import WholeNumber, require_consent, yes_option
from service.commands.target import check_schema, data_dir_option, find_settings
from service.errors import UsageError
from service.validation import MAX_ID

if TYPE_CHECKING:
    from service.moderation.schemas import State
    from service.moderation.service import Act, Mark, Moderation, Order

    _Call = Callable[[Moderation, Act], Awaitable[object]]

_ID: Final = WholeNumber(1, MAX_ID)
_TIMES: Final = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]

_Command = Callable[..., Any]


@click.group()
def moderate() -> None:
    """Revoke scores, ban, hide, rename and delete players, and read the log of that.

    Each prints what `/api` answers, as JSON. The workers make the standings again at once.
    """


def _explained(command: "Callable[..., _Call]") -> _Command:
    """Have what a command returns done, for the reason and in the place that are named."""

    @wraps(command)
    def run(*, reason: str, data_dir: Path | None, **given: Any) -> None:
        _run(data_dir, command(**given), reason)

    reason_option = click.option("--reason", required=True, help="Why, for the moderation log.")
    return reason_option(data_dir_option(run))


def _dry_run_option(command: _Command) -> _Command:
    return click.option("--dry-run", is_flag=True, help="Only show what would change.")(command)


def _since_option(command: _Command) -> _Command:
    since = click.option(
        "--since",
        type=click.DateTime(_TIMES),
        help="Only sessions since this time (UTC).  [default: all]",
    )
    return since(_dry_run_option(command))


@moderate.command()
@click.argument("session_id", type=_ID)
@_explained
def revoke(session_id: int) -> "_Call":
    """Have a session count nowhere any more."""
    return lambda moderation, act: moderation.mark_session(session_id, "revoke", act)


@moderate.command()
@click.argument("session_id", type=_ID)
@_explained
def restore(session_id: int) -> "_Call":
    """Have a session that was revoked count again."""
    return lambda moderation, act: moderation.mark_session(session_id, "restore", act)


@moderate.command()
@click.argument("user_id", type=_ID)
@_since_option
@_explained
def revoke_all(user_id: int, since: datetime | None, *, dry_run: bool) -> "_Call":
    """Revoke a player's sessions since a time, up to 10,000 at once."""
    return _mark_all(user_id, "revoke", since, dry_run=dry_run)


@moderate.command()
@click.argument("user_id", type=_ID)
@_since_option
@_explained
def restore_all(user_id: int, since: datetime | None, *, dry_run: bool) -> "_Call":
    """Have a player's revoked sessions since a time count again."""
    return _mark_all(user_id, "restore", since, dry_run=dry_run)


def _mark_all(user_id: int, mark: "Mark", since: datetime | None, *, dry_run: bool) -> "_Call":
    from service.moderation.schemas import MarkSessions

    start = since and since.replace(tzinfo=UTC)
    return lambda moderation, act: moderation.mark_sessions(
        user_id, MarkSessions(act.reason, since=start, dry_run=dry_run), mark, act
    )


@moderate.command()
@click.argument("user_id", type=_ID)
@click.argument("state", type=click.Choice(["active", "hidden", "banned"]))
@click.option(
    "--until", type=click.DateTime(_TIMES), help="When it ends by itself (UTC).  [default: never]"
)
@_dry_run_option
@_explained
def state(user_id: int, state: "State", until: datetime | None, *, dry_run: bool) -> "_Call":
    """Ban a player, hide one from all others, or end that."""
    from service.moderation.schemas import ChangeState

    end = until and until.replace(tzinfo=UTC)
    return lambda moderation, act: moderation.change_state(
        user_id, ChangeState(state, act.reason, end, dry_run=dry_run), act
    )


@moderate.command()
@click.argument("user_id", type=_ID)
@click.argument("username")
@_dry_run_option
@_explained
def rename(user_id: int, username: str, *, dry_run: bool) -> "_Call":
    """Give a player another name, everywhere."""
    from service.moderation.schemas import ChangePlayer

    return lambda moderation, act: moderation.change_player(
        user_id, ChangePlayer(username=username, reason=act.reason, dry_run=dry_run), act
    )


@moderate.command()
@click.argument("user_id", type=_ID)
@click.option(
    "--scores",
    type=click.Choice(["keep", "revoke"]),
    default="keep",
    show_default=True,
    help="Whether the scores stay, without a name, or leave the boards.",
)
@_dry_run_option
@yes_option
@_explained
def delete(user_id: int, scores: str, *, dry_run: bool, is_sure: bool) -> "_Call":
    """Forget who a player was, for good; at a terminal, after a question."""
    question = f"Erase the name and all else that tells who player {user_id} is, for good?"
    require_consent(question, is_sure=is_sure or dry_run)
    return lambda moderation, act: moderation.delete(
        user_id, act, with_scores=scores == "revoke", dry_run=dry_run
    )


@moderate.command()
@click.argument("slug")
@click.argument("number", type=_ID)
@_dry_run_option
@_explained
def correct(slug: str, number: int, *, dry_run: bool) -> "_Call":
    """Re-rank a closed season of a board without what does not count by now."""
    return lambda moderation, act: moderation.correct_season(slug, number, act, dry_run=dry_run)


@moderate.command()
@click.option(
    "--after", type=WholeNumber(0, MAX_ID), default=0, help="Only what comes after this one."
)
@click.option("--limit", type=WholeNumber(1, 1_000), default=100, show_default=True)
@click.option(
    "--order", type=click.Choice(["oldest", "newest"]), default="oldest", show_default=True
)
@data_dir_option
def log(after: int, limit: int, order: "Order", data_dir: Path | None) -> None:
    """List what was done, oldest or newest first."""
    _run(data_dir, lambda moderation, _: moderation.list_log(after, limit, order))


def _run(data_dir: Path | None, call: "_Call", reason: str | None = None) -> None:
    """Do something and print the answer, where there is one."""
    import msgspec

    from service.maintenance.connections import open_connections
    from service.moderation.schemas import LONGEST_REASON
    from service.moderation.service import Act, Moderation

    if reason is not None and not 0 < len(reason) <= LONGEST_REASON:
        raise UsageError(f"a reason has 1 to {LONGEST_REASON} characters")
    settings = check_schema(find_settings(data_dir))

    async def work() -> object:
        async with (
            open_connections(settings, application_name="leaderboard moderate") as connections,
            connections.lend_signal() as signal,
        ):
            return await call(Moderation(connections.database, signal), Act(None, reason or ""))

    answer = asyncio.run(work())
    if answer is not None:
        text = msgspec.json.format(msgspec.json.encode(answer)).decode()
        if not sys.stdout.encoding.lower().startswith("utf"):
            text = json.dumps(json.loads(text), indent=2)
        click.echo(text)
