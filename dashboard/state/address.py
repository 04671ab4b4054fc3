"""Where in the console one is, as the path of a link: `/player/4711?board=weekly&season=3`."""

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from dashboard.client.gateway import GLOBAL_BOARD, BoardSeason

_SCREENS: Final = ("live", "player", "simulate", "health")
_PAGES: Final = "there are /live, /player/ID, /simulate and /health"
_LONGEST_NAME: Final = 255
_is_slug: Final = re.compile("[a-z0-9-]{1,64}").fullmatch
_is_season: Final = re.compile("[1-9][0-9]{0,8}").fullmatch
_find_control: Final = re.compile("[\x00-\x1f\x7f]").search


class UnknownAddress(ValueError):
    """A path that leads nowhere; the message says which part of it, and what there is."""


class Address(NamedTuple):
    """A screen, the player on it by id or exact name, and the board and season in front."""

    mode: str = "live"
    player: str = ""
    board: BoardSeason = BoardSeason()

    def __str__(self) -> str:
        """Return the path of a link."""
        # Browsers take points alone for folders.
        named = f"/{quote(self.player, safe='')}" if self.player.strip(".") else ""
        told: dict[str, str | int] = {}
        if not self.board.is_global:
            told["board"] = self.board.slug
        if self.board.number is not None:
            told["season"] = self.board.number
        return f"/{self.mode}{named}" + (f"?{urlencode(told)}" if told else "")


def read_address(text: str) -> Address:
    """Return what a path says; `/` is the board. Raises `UnknownAddress`."""
    try:
        parts = urlsplit(text)
        path = [unquote(part, errors="strict") for part in parts.path.split("/")]
        told = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        text.encode()
    except ValueError as error:
        raise UnknownAddress(f"this path is not UTF-8: {_PAGES}") from error
    board = _read_board(told)
    match path:
        case ["", ""]:
            return Address(board=board)
        case ["", mode] if mode in _SCREENS:
            return Address(mode, board=board)
        case ["", "player", str(player)] if _may_be_player(player):
            return Address("player", player, board)
    raise UnknownAddress(f"no page has this path: {_PAGES}")


def _may_be_player(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and not _find_control(text)


def _read_board(told: list[tuple[str, str]]) -> BoardSeason:
    slug, number = GLOBAL_BOARD, None
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
            case _:
                raise UnknownAddress("behind the ? of this path only board and season are known")
    return BoardSeason(slug, number)
