"""The requests that load consists of, ready to be sent."""

import random
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Kind: TypeAlias = Literal["submit", "top", "rank"]

TOP_PATH = "/api/leaderboard/top"
RANK_PATH = "/api/leaderboard/rank"
SUBMIT_PATH = "/api/leaderboard/submit"
MOST_SCORE = 1_000


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the players that it has: their ids follow one another."""

    url: str
    first_player: int
    last_player: int
    api_key: str | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port


class RequestMaker:
    """Makes requests about players drawn at random, with scores from 0."""

    def __init__(
        self, target: Target, *, seed: int | None = None, spared: frozenset[int] = frozenset()
    ) -> None:
        host, port = target.address
        self._host = f"Host: {host}:{port}\r\n"
        if target.api_key is not None:
            self._host += f"Authorization: Bearer {target.api_key}\r\n"
        self._target = target
        self._random = random.Random(seed)
        self._spared = spared

    def make(self, kind: Kind) -> bytes:
        """Return a request of this kind about somebody."""
        if kind == "top":
            return self._get(TOP_PATH)
        if kind == "rank":
            return self.make_rank(self._draw_player())
        return self.make_submit(self._draw_player(), self._random.randrange(MOST_SCORE))

    def make_top(self, limit: int) -> bytes:
        """Ask for the first so many."""
        return self._get(f"{TOP_PATH}?limit={limit}")

    def make_rank(self, player: int) -> bytes:
        """Ask for this player's rank."""
        return self._get(f"{RANK_PATH}/{player}")

    def make_submit(self, player: int, score: int) -> bytes:
        """Submit this player's score."""
        body = f'{{"user_id":{player},"score":{score}}}'
        return (
            f"POST {SUBMIT_PATH} HTTP/1.1\r\n{self._host}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _get(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\n{self._host}\r\n".encode()

    def _draw_player(self) -> int:
        while True:
            player = self._random.randint(self._target.first_player, self._target.last_player)
            if player not in self._spared:
                return player
