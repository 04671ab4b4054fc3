"""Keeps in touch with the service: follows its stream, asks for its state, comes back."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec
from textual.message import Message

from dashboard.client.answers import Top
from dashboard.client.gateway import PAGE_LIMIT, Gateway, GatewayError, Unreachable
from dashboard.client.link_state import BackOff, Connected, Connecting, Disconnected, Faulty
from dashboard.client.messages import (
    LinkChanged,
    StatusArrived,
    StatusRefused,
    TopArrived,
    TopRefused,
)
from dashboard.clock import Clock

STATUS_SECONDS: Final = 2.0

BOARD_SECONDS: Final = 1.0
"""Longest pause between two reads of the board: the stream tells only of its first hundred."""

SHORTEST_BOARD_SECONDS: Final = 0.2
_LINES_ABOVE: Final = PAGE_LIMIT // 2
"""Lines that are read above a player who is looked for; as many are below."""

_READS_A_PAUSE: Final = 4
"""A slow service or a slow line is left alone for as many times as long as a read took."""


class Connection:
    """Tells what it hears by `post`; runs until it is cancelled."""

    def __init__(
        self, gateway: Gateway, clock: Clock, random: Random, post: Callable[[Message], object]
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._post = post
        self._back_off = BackOff(random)
        self._retry = asyncio.Event()
        self._moved = asyncio.Event()
        self._asked = asyncio.Event()
        self._first = 0
        # None where whatever is read next is told, even if it is what was told before.
        self._shown: tuple[int, Top] | None = None

    def retry_now(self) -> None:
        """Give up the pause before the next attempt, or the one before the board is read again."""
        self._retry.set()
        self._asked.set()
        self._moved.set()

    def look_at(self, first: int) -> None:
        """Read the board from another place on."""
        self._first = first
        self._asked.set()
        self._moved.set()

    async def look_for(self, user_id: int) -> None:
        """Read the board from above a player on, if that player stands on it."""
        try:
            place = await self._find_place(user_id)
        except GatewayError:
            # The stream, the board or the status say what is wrong; whoever asks asks again.
            return
        if place is not None:
            self.look_at(max(0, place - _LINES_ABOVE))

    async def _find_place(self, user_id: int) -> int | None:
        """Return a place, from 0, that is not far above a player; None for one without a rank.

        That is the first of the player's rank. In a tie longer than what is read at once, where
        players are listed by id, it is looked for by halving.
        """
        rank = await self._gateway.read_rank(user_id)
        if rank.rank is None:
            return None

        async def is_below(place: int) -> bool:
            entries = (await self._gateway.read_page(place, 1)).leaderboard
            return any((entry.rank, entry.user_id) < (rank.rank, user_id) for entry in entries)

        first = rank.rank - 1
        last_read = first + _LINES_ABOVE - 1
        if not await is_below(last_read):
            return first
        low, high = last_read + 1, rank.players
        while high - low >= _LINES_ABOVE:
            middle = (low + high) // 2
            if await is_below(middle):
                low = middle + 1
            else:
                high = middle
        return low

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        while True:
            self._post(LinkChanged(Connecting()))
            self._shown = None
            try:
                await self._keep_in_touch()
            except GatewayError as error:
                await self._pause(error)

    async def _keep_in_touch(self) -> None:
        """Follow the stream and poll the status until either fails; raise why."""
        tasks = {
            asyncio.create_task(self._follow_top()),
            asyncio.create_task(self._poll_status()),
            asyncio.create_task(self._follow_board()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_top(self) -> None:
        connected = False
        async for top in self._gateway.follow_top():
            if not connected:
                connected = True
                self._back_off.reset()
                self._post(LinkChanged(Connected()))
            if top is None:
                self._post(TopArrived(None))
            else:
                self._moved.set()

    async def _follow_board(self) -> None:
        """Read the board when the stream says that it moved, and now and then.

        It is read and not put together from what the stream tells of its first lines: so all lines
        are of one moment, and what happened while nobody listened is in them.
        """
        while True:
            self._moved.clear()
            self._asked.clear()
            asked_at = self._clock.monotonic()
            await self._read_board(self._first)
            took = self._clock.monotonic() - asked_at
            # Only the operator cuts this pause short.
            await self._wait(self._asked, max(SHORTEST_BOARD_SECONDS, _READS_A_PAUSE * took))
            await self._wait(self._moved, BOARD_SECONDS)

    async def _read_board(self, first: int) -> None:
        try:
            top = await self._gateway.read_page(first)
        except Unreachable:
            raise
        except GatewayError as error:
            self._shown = None
            self._post(TopRefused(error))
            return
        before, self._shown = self._shown, (first, top)
        if before is not None and before == (
            first,
            msgspec.structs.replace(top, as_of=before[1].as_of),
        ):
            self._post(TopArrived(None))
        else:
            self._post(TopArrived(top, first))

    async def _poll_status(self) -> None:
        while True:
            asked_at = self._clock.monotonic()
            try:
                status = await self._gateway.read_status()
            except Unreachable:
                raise
            except GatewayError as error:
                self._post(StatusRefused(error))
            else:
                round_trip_ms = 1000 * (self._clock.monotonic() - asked_at)
                self._post(StatusArrived(status, round_trip_ms))
            await self._clock.sleep(STATUS_SECONDS)

    async def _pause(self, error: GatewayError) -> None:
        pause_seconds = self._back_off.next_pause_seconds()
        retry_at = self._clock.monotonic() + pause_seconds
        if isinstance(error, Unreachable):
            self._post(LinkChanged(Disconnected(error.message, retry_at)))
        else:
            self._post(LinkChanged(Faulty(error.code, error.message, retry_at)))
        self._retry.clear()
        await self._wait(self._retry, pause_seconds)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event, but no longer than that."""
        waits = {
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(event.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
