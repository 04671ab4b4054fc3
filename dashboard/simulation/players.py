"""The players on whose behalf a run sends: existing ones first, new ones where they run out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from dashboard.simulation.client.api_client import ApiClient
from dashboard.simulation.client.requests import GLOBAL_BOARD, Target
from dashboard.simulation.errors import UnexpectedAnswer

# Enough to be quick (a thousand players in a second or two), too few to disturb a service.
_CONNECTIONS = 8

# Ids have gaps. Where half of the draws are in vain, making players is quicker than searching.
_DRAWS_PER_PLAYER = 2

OnProgress = Callable[[int], None]
"""Called with the number of players found so far."""

_Candidate = TypeVar("_Candidate")


class _PlayerIds(msgspec.Struct):
    highest_user_id: int | None


class _Status(msgspec.Struct):
    players: _PlayerIds | None


class _Player(msgspec.Struct):
    user_id: int


class _Board(msgspec.Struct):
    slug: str


async def find_players(
    target: Target, count: int, seed: int, on_progress: OnProgress = lambda _: None
) -> list[int]:
    """Return the ids of `count` players: drawn with `seed` from those that exist, or made.

    On the same database the same seed gives the same players in the same order. Raises
    `ServiceUnreachable` and `UnexpectedAnswer`.
    """
    client = ApiClient(target)
    found: dict[int, None] = {}

    async def collect(
        candidates: Sequence[_Candidate], find: Callable[[_Candidate], Awaitable[int | None]]
    ) -> None:
        # Batch by batch, so that the order is that of the candidates and not of the answers.
        for start in range(0, len(candidates), _CONNECTIONS):
            if len(found) >= count:
                return
            batch = candidates[start : start + _CONNECTIONS]
            for user_id in await asyncio.gather(*map(find, batch), return_exceptions=True):
                if isinstance(user_id, BaseException):
                    raise user_id
                if user_id is not None:
                    found[user_id] = None
            on_progress(min(len(found), count))

    try:
        highest = await _read_highest_id(client)
        if target.board != GLOBAL_BOARD:
            # Before players are made who would stay without it.
            await client.read(f"/api/boards/{target.board}", _Board)
        draws = Random(f"{seed}:players")  # noqa: S311  reproducible by intent
        await collect(
            draws.sample(range(1, highest + 1), min(highest, count * _DRAWS_PER_PLAYER)),
            partial(_look_up_player, client),
        )
        # As many names as players: distinct names are distinct players, so they always suffice.
        names = [f"sim_{seed}_{number}" for number in range(count)]
        await collect(names, partial(_create_player, client))
        return list(found)[:count]
    finally:
        await client.close()


async def _read_highest_id(client: ApiClient) -> int:
    """Return the highest id that a player has, 0 without players."""
    path = "/api/ops/status"
    status = await client.read(path, _Status)
    if status.players is None:
        raise UnexpectedAnswer(client.url, f"GET {path}", "no players: its database is away")
    return status.players.highest_user_id or 0


async def _look_up_player(client: ApiClient, user_id: int) -> int | None:
    """Return `user_id` if there is such a player."""
    path = f"/api/players/{user_id}"
    answer = await client.ask("GET", path)
    if answer.status == httpx.codes.NOT_FOUND:
        return None
    return client.decode(answer, 200, f"GET {path}", _Player).user_id


async def _create_player(client: ApiClient, username: str) -> int:
    """Return the id of the player of that name, who is made if need be."""
    path = "/api/players"
    answer = await client.ask("POST", path, msgspec.json.encode({"username": username}))
    if answer.status != httpx.codes.CONFLICT:
        return client.decode(answer, 201, f"POST {path}", _Player).user_id
    return (await client.read(f"{path}?username={quote(username)}", _Player)).user_id
