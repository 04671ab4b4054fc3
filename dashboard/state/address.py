"""Where in the console one is, as the path of a link.

`/player/4711?compare=815&board=weekly&season=3`, `/simulate/9f2c01a4be07`, `/health?open=slow`.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from dashboard.client.gateway import BoardSeason
from dashboard.simulation.client.requests import GLOBAL_BOARD

_SCREENS: Final = ("live", "player", "simulate", "health")
_PAGES: Final = "there are /live, /player/ID, /simulate/RUN and /health"
_WHY: Final = "why"
_OPENED: Final = ("boards", "log", "slow", _WHY)
LONGEST_NAME: Final = 255
_is_slug: Final = re.compile("[a-z0-9-]{1,64}").fullmatch
_is_season: Final = re.compile("[1-9][0-9]{0,8}").fullmatch
_is_run: Final = re.compile("[0-9a-f]{1,32}").fullmatch
_is_id: Final = re.compile("[1-9][0-9]{0,18}").fullmatch
_find_control: Final = re.compile("[\x00-\x1f\x7f]").search


class UnknownAddress(ValueError):
    """A path that leads nowhere; the message says which part of it, and what there is."""


class Address(NamedTuple):
    """A screen, and what is in front of it.

    `player` and the one to `compare` with are named by id or exact name; `run` is the id of a run
    of traffic, `opened` the dialog over the screen. Empty is none of them.
    """

    mode: str = "live"
    player: str = ""
    board: BoardSeason = BoardSeason()
    compare: str = ""
    run: str = ""
    opened: str = ""

    def __str__(self) -> str:
        """Return the path of a link."""
        named = self.player or self.run
        # Browsers take points alone for folders.
        path = f"/{self.mode}" + (f"/{quote(named, safe='')}" if named.strip(".") else "")
        told = {
            "compare": self.compare,
            "board": "" if self.board.is_global else self.board.slug,
            "season": self.board.number,
            "open": self.opened,
        }
        query = urlencode({name: value for name, value in told.items() if value})
        return f"{path}?{query}" if query else path


def read_address(text: str) -> Address:
    """Return what a path says; `/` is the board. Raises `UnknownAddress`."""
    try:
        parts = urlsplit(text)
        path = [unquote(part, errors="strict") for part in parts.path.split("/")]
        told = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        text.encode()
    except ValueError as error:
        raise UnknownAddress(f"this path is not UTF-8: {_PAGES}") from error
    address = _read_query(told)
    match path:
        case ["", ""]:
            address = address._replace(mode="live")
        case ["", mode] if mode in _SCREENS:
            address = address._replace(mode=mode)
        case ["", "player", str(player)] if _may_be_player(player):
            address = address._replace(mode="player", player=player)
        case ["", "simulate", run] if _is_run(run):
            address = address._replace(mode="simulate", run=run)
        case _:
            raise UnknownAddress(f"no page has this path: {_PAGES}")
    if address.compare and not address.player:
        raise UnknownAddress("compare: beside a player alone, as in /player/4711?compare=815")
    if address.opened == _WHY and not _is_id(address.player):
        raise UnknownAddress("open: why is about a player's id, as in /player/4711?open=why")
    return address


def _may_be_player(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and not _find_control(text)


def _read_query(told: list[tuple[str, str]]) -> Address:
    address, slug, number = Address(), GLOBAL_BOARD, None
    for name, value in told:
        match name:
            case "board" if _is_slug(value):
                slug = value
            case "board":
                raise UnknownAddress("board: 1 to 64 of a-z, 0-9 and -, like weekly-laps")
            case "season" if _is_season(value):
                number = int(value)
            case "season":
                raise UnknownAddress("season: the number of a season, from 1")
            case "compare" if _may_be_player(value):
                address = address._replace(compare=value)
            case "compare":
                raise UnknownAddress("compare: a player's id or exact name")
            case "open" if value in _OPENED:
                address = address._replace(opened=value)
            case "open":
                raise UnknownAddress(f"open: one of {', '.join(_OPENED)}")
            case _:
                known = "board, season, compare and open"
                raise UnknownAddress(f"behind the ? of this path only {known} are known")
    return address._replace(board=BoardSeason(slug, number))
