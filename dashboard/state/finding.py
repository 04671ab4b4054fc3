"""What an operator may mean by a few letters: a player, rank, board, season, run or action.

No user interface: the finder lists what is found here, and so does the palette.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final, TypeAlias, TypeVar

from dashboard.client.answers import BoardFacts, Player, Season
from dashboard.client.gateway import GLOBAL, BoardSeason, Gateway, GatewayError, Refused
from dashboard.simulation.reports.run_directory import FoundRun
from dashboard.text.names import clean_name
from dashboard.text.numbers import drop_grouping, read_number, write_moment

MOST_PLAYERS: Final = 20
RANK_MARK: Final = "#"
ACTION_MARK: Final = ":"

_LONGEST_EXTERNAL_ID: Final = 128
_NOT_ONE: Final = (400, 404)
"""Statuses for who is not there, and for what cannot be a name or an id."""

_RELATIONS: Final = {"current": 0, "previous": 1}
_SEASON: Final = "season"
_RUN: Final = "run"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class PlayerFound:
    """A player; `exactly`: by id, by external id or by the whole name."""

    player: Player
    how: str
    exactly: bool


@dataclass(frozen=True)
class RankFound:
    """A rank of the board that is shown."""

    rank: int
    players: int


@dataclass(frozen=True)
class BoardFound:
    """A board, at its current season or at the season of that number."""

    board: BoardFacts
    season: Season | None


@dataclass(frozen=True)
class RunFound:
    """A run of traffic that goes on, or has ended."""

    run: FoundRun


@dataclass(frozen=True)
class ActionFound:
    """Something that can be done on the screen, by its place among all actions there."""

    name: str
    keys: str
    index: int


Found: TypeAlias = PlayerFound | RankFound | BoardFound | RunFound | ActionFound


@dataclass(frozen=True)
class PlayersFound:
    """Who was found for some letters, and whether there are more."""

    players: tuple[PlayerFound, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class Known:
    """What is here already, without asking for players: the rest of what there is to find."""

    boards: Sequence[BoardFacts] = ()
    shown: BoardSeason = GLOBAL
    ranks: int = 0
    runs: Sequence[FoundRun] = ()
    actions: Sequence[tuple[str, str]] = ()
    """The name and the keys of each."""


def asks_for_players(wanted: str) -> bool:
    """Return whether what is typed can be a player at all."""
    return bool(wanted.strip()) and not wanted.startswith(ACTION_MARK)


async def find_players(gateway: Gateway, wanted: str) -> PlayersFound:
    """Return who has this id or external id, and who has it in the name, the exact ones first.

    Raises `GatewayError`, but not for a player who is not there.
    """
    text = wanted.strip()
    user_id = read_number(drop_grouping(text))
    by_id, by_external_id, named = await asyncio.gather(
        _find(gateway.find_player(user_id) if user_id is not None else None),
        _find(
            gateway.find_player_by_external_id(text) if len(text) <= _LONGEST_EXTERNAL_ID else None
        ),
        _find(gateway.find_players(text, MOST_PLAYERS)),
    )
    players, more = (named.players, named.more) if named else ((), False)
    found: dict[int, PlayerFound] = {}
    for player, how in ((by_id, "id"), (by_external_id, "external id")):
        if player is not None:
            found.setdefault(player.user_id, PlayerFound(player, how, exactly=True))
    for exactly in (True, False):
        for player in players:
            if (player.username.casefold() == text.casefold()) is exactly:
                found.setdefault(player.user_id, PlayerFound(player, "name", exactly=exactly))
    return PlayersFound(tuple(found.values()), more)


async def _find(asking: Awaitable[_Answer] | None) -> _Answer | None:
    """Return an answer, None where nobody is asked or nobody is there."""
    try:
        return None if asking is None else await asking
    except Refused as error:
        if error.status not in _NOT_ONE:
            raise
        return None


def list_found(wanted: str, known: Known, found: PlayersFound) -> list[Found]:
    """Return what may be meant, the likeliest first."""
    text = wanted.strip()
    if not text:
        return []
    if text.startswith(ACTION_MARK):
        return list(_find_actions(text.removeprefix(ACTION_MARK).strip(), known))
    words = text.casefold().split()
    exact: list[Found] = [player for player in found.players if player.exactly]
    named: list[Found] = [player for player in found.players if not player.exactly]
    ranks: list[Found] = list(_find_rank(text, known))
    if text.startswith(RANK_MARK):
        return [*ranks, *exact, *named]
    actions = _find_actions(text, known)
    return [
        *exact,
        *ranks,
        *_find_boards(words, known),
        *_find_runs(words, known),
        *(action for action in actions if action.name.casefold().startswith(text.casefold())),
        *named,
        *(action for action in actions if not action.name.casefold().startswith(text.casefold())),
    ]


async def find_everything(gateway: Gateway, wanted: str, known: Known) -> list[Found]:
    """Return what may be meant, by what is here and what the service says; nothing if it fails."""
    try:
        boards = await gateway.list_boards()
        players = await find_players(gateway, wanted)
    except GatewayError:
        return list_found(wanted, known, PlayersFound())
    return list_found(wanted, replace(known, boards=boards), players)


def _find_rank(text: str, known: Known) -> list[RankFound]:
    rank = read_number(drop_grouping(text.removeprefix(RANK_MARK).strip()))
    return [RankFound(rank, known.ranks)] if rank is not None and rank <= known.ranks else []


def _find_boards(words: Sequence[str], known: Known) -> list[BoardFound]:
    """Return boards of these words, and seasons: `laps 7`, `laps previous`, `season 7`."""
    *rest, last = words
    rest = [word for word in rest if word != _SEASON]
    seasons: list[BoardFound] = []
    named = read_number(last)
    if (named is not None or last in _RELATIONS) and len(words) > 1:
        for board in known.boards:
            if _has_words(board, rest) if rest else board.slug == known.shown.slug:
                current = board.season.number
                number = current - _RELATIONS[last] if named is None else named
                if 1 <= number <= current:
                    season = None if number == current else Season(number, "")
                    seasons.append(BoardFound(board, season))
    boards = [BoardFound(board, None) for board in known.boards if _has_words(board, words)]
    return [*seasons, *boards]


def _has_words(board: BoardFacts, words: Sequence[str]) -> bool:
    text = f"{clean_name(board.title)} {board.slug}".casefold()
    return all(word in text for word in words)


def _find_runs(words: Sequence[str], known: Known) -> list[RunFound]:
    """Return runs by the word, or by a part of their id."""
    return [
        RunFound(run)
        for run in known.runs
        if all(word == _RUN or word in run.identity.run_id.casefold() for word in words)
    ]


def _find_actions(text: str, known: Known) -> list[ActionFound]:
    """Return actions of whose names words begin so, those whose first one does at the front."""
    words = text.casefold().split()
    found = [
        ActionFound(name, keys, index)
        for index, (name, keys) in enumerate(known.actions)
        if all(any(other.startswith(word) for other in name.casefold().split()) for word in words)
    ]
    found.sort(key=lambda action: not action.name.casefold().startswith(text.casefold()))
    return found


def describe(found: Found, zone: tzinfo | None) -> tuple[str, str, str]:
    """Return what it is, how it is called and what else tells it from others, safe to be shown."""
    match found:
        case PlayerFound(player, how, exactly):
            is_known_by = f", by {how}" if exactly and how != "name" else ""
            return "player", clean_name(player.username), f"id {player.user_id}{is_known_by}"
        case RankFound(rank, players):
            return "rank", f"{rank:,}", f"of {players:,} players"
        case BoardFound(board, None):
            return "board", clean_name(board.title), f"{board.slug}, season {board.season.number}"
        case BoardFound(board, season):
            number = season.number if season else 0
            return _SEASON, f"{clean_name(board.title)}, season {number}", board.slug
        case RunFound(run):
            begun = write_moment(datetime.fromisoformat(run.identity.started_at), zone)
            state = "goes on" if run.alive else "has ended"
            return _RUN, clean_name(run.identity.run_id), f"{begun}, {state}"
        case ActionFound(name, keys):
            return "action", name, f"key {keys}"
