"""Stays connected to the service: follows its stream, polls its status, reconnects."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

import msgspec
from textual.message import Message

from dashboard.client.answers import Status, Top
from dashboard.client.gateway import PAGE_LIMIT, Gateway, GatewayError, Unreachable
from dashboard.client.link_state import Connected, Connecting, Disconnected, Faulty, Link
from dashboard.clock import Clock

SHORTEST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0

STATUS_SECONDS: Final = 2.0

BOARD_SECONDS: Final = 1.0
"""Longest pause between two reads of the board: the stream has only the first hundred."""

SHORTEST_BOARD_SECONDS: Final = 0.2
_LINES_ABOVE: Final = PAGE_LIMIT // 2
"""Lines that are read above a player who is looked for; as many are below."""

_READS_A_PAUSE: Final = 4
"""After each read, a slow service is left alone for this many times as long as it took."""


class LinkChanged(Message):
    """The connection to the service is in another state."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link


class TopArrived(Message):
    """The service sent the lines that start at place `first`; None: only a keep-alive."""

    def __init__(self, top: Top | None, first: int = 0) -> None:
        super().__init__()
        self.top = top
        self.first = first


class TopRefused(Message):
    """The service answers, but refuses the board."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error


class StatusArrived(Message):
    """The service sent the state of its parts."""

    def __init__(self, status: Status, round_trip_ms: float) -> None:
        super().__init__()
        self.status = status
        self.round_trip_ms = round_trip_ms


class StatusRefused(Message):
    """The service answers, but refuses its status."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error


class BackOff:
    """Pauses that double from one second to thirty, with jitter.

    Without jitter, all consoles would return to a restarted service at the same moment.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._longest = 2 * SHORTEST_PAUSE_SECONDS

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._longest = 2 * SHORTEST_PAUSE_SECONDS

    def next_pause_seconds(self) -> float:
        """Return the pause before the next attempt."""
        longest = min(LONGEST_PAUSE_SECONDS, self._longest)
        self._longest = 2 * longest
        return max(SHORTEST_PAUSE_SECONDS, longest * self._random.uniform(0.5, 1.0))


class Connection:
    """Posts a message for whatever the service sends; runs until it is cancelled."""

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
        # None where the next read is posted even if nothing changed.
        self._shown: tuple[int, Top] | None = None

    def retry_now(self) -> None:
        """Give up the pause before the next attempt, or the one before the board is read again."""
        self._retry.set()
        self._asked.set()
        self._moved.set()

    def look_at(self, first: int) -> None:
        """Show the part of the board that starts at another place."""
        self._first = first
        self._asked.set()
        self._moved.set()

    async def look_for(self, user_id: int) -> None:
        """Show the part of the board around a player, if that player has a rank."""
        try:
            place = await self._find_place(user_id)
        except GatewayError:
            # The other requests report what is wrong; the screen asks again.
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
        """Read the board when the stream reports a change, and every second.

        It is read whole, not patched with the first lines that the stream carries: all lines are of
        one moment, and nothing is missed while the stream is down.
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
