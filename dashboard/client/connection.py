"""Stays connected to the service: follows its stream, polls its status, reconnects."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec
from textual.message import Message

from dashboard.client.answers import BoardFacts, Readiness, Status, Top
from dashboard.client.gateway import (
    FILLING,
    KEY_REQUIRED,
    NOT_FOUND,
    PAGE_LIMIT,
    TOO_BUSY,
    BoardSeason,
    Gateway,
    GatewayError,
    Refused,
    Unreachable,
)
from dashboard.client.link_state import Connected, Connecting, Disconnected, Faulty, Link
from dashboard.clock import Clock
from dashboard.simulation.client.requests import TIMEOUT

SHORTEST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0

STATUS_SECONDS: Final = 2.0
CLOSER_SECONDS: Final = 0.5
"""Pause before the next status where the last one said something else than those before."""

BOARD_SECONDS: Final = 1.0
"""Longest pause between two reads of the board: the stream has only the first hundred."""

SHORTEST_BOARD_SECONDS: Final = 0.2

FINAL_SECONDS: Final = 10.0
"""Pause between two reads of a closed season: it may be corrected, and names change in it too."""

FACTS_SECONDS: Final = 5.0
"""Pause between two looks at a board's title and state."""

_LINES_ABOVE: Final = PAGE_LIMIT // 2
"""Lines that are read above a player who is looked for; as many are below."""

_READS_A_PAUSE: Final = 4
"""After each read, a slow service is left alone for this many times as long as it took."""


@dataclass
class LinkChanged(Message):
    """The connection to the service is in another state."""

    link: Link


@dataclass
class TopArrived(Message):
    """The service sent the lines that start at place `first`; None: only a keep-alive."""

    board: BoardSeason
    top: Top | None
    first: int = 0


@dataclass
class TopRefused(Message):
    """The service answers, but refuses the board."""

    board: BoardSeason
    error: GatewayError


@dataclass
class BoardDescribed(Message):
    """The service sent the title and the state of a board."""

    facts: BoardFacts


@dataclass
class StatusArrived(Message):
    """The service sent the state of its parts."""

    status: Status
    round_trip_ms: float


@dataclass
class StatusRefused(Message):
    """The service answers, but refuses its status."""

    error: GatewayError


@dataclass
class StatusClosed(Message):
    """The status is not for this key, of that role; None for no key. All may know `readiness`."""

    role: str | None
    readiness: Readiness


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
        self._chosen = asyncio.Event()
        self._doubted = asyncio.Event()
        self._board = BoardSeason()
        self._is_connected = False
        self._first = 0
        # None where the next read is posted even if nothing changed.
        self._shown: tuple[int, Top] | None = None

    def retry_now(self) -> None:
        """Give up the pause before the next attempt, or the one before the board is read again."""
        self._gateway.ask_at_once()
        self._retry.set()
        self._asked.set()
        self._moved.set()

    def watch(self, board: BoardSeason) -> None:
        """Follow another board or another season, from its first line, and at once."""
        self._board, self._first, self._shown = board, 0, None
        self._chosen.set()
        self._retry.set()

    def look_closer(self) -> None:
        """Ask for the next status soon."""
        self._doubted.set()

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
        board = self._board
        rank = await self._gateway.read_rank(board, user_id)
        if rank.rank is None:
            return None

        async def is_below(place: int) -> bool:
            entries = (await self._gateway.read_page(board, place, 1)).entries
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
            self._shown, self._is_connected = None, False
            try:
                await _run_until_first_ends(self._follow_chosen(), self._poll_status())
            except GatewayError as error:
                await self._pause(error)

    async def _follow_chosen(self) -> None:
        """Follow the board that is chosen, and each that is chosen after it."""
        while True:
            self._chosen.clear()
            board = self._board
            await _run_until_first_ends(
                self._chosen.wait(),
                self._follow_top(board),
                self._follow_board(board),
                self._follow_facts(board),
            )

    async def _follow_top(self, board: BoardSeason) -> None:
        if board.number is not None:
            # The stream is of the current season; other seasons are read.
            await asyncio.Event().wait()
        while True:
            try:
                async for top in self._gateway.follow_top(board.slug):
                    self._note_connected()
                    if top is None:
                        self._post(TopArrived(board, None))
                    else:
                        self._moved.set()
            except Refused as error:
                if error.code == TOO_BUSY:
                    # Perhaps of streams alone, whose places are their own: the board is read every
                    # second without one. If nothing is read either, they all have to wait.
                    await self._clock.sleep(FACTS_SECONDS)
                    if self._shown is None:
                        raise
                    continue
                if error.status != NOT_FOUND and error.code != FILLING:
                    raise
                # Of this board alone, which another database may lack, or which is being filled.
                # The read of it says so.
                self._note_connected()
                await self._clock.sleep(FACTS_SECONDS)

    def _note_connected(self) -> None:
        """Say that the service is there, at the first sign of it."""
        if not self._is_connected:
            self._is_connected = True
            self._back_off.reset()
            self._post(LinkChanged(Connected()))

    async def _follow_facts(self, board: BoardSeason) -> None:
        """Look at the title and the state of a board: the one that is always there has no other."""
        while not board.is_global:
            # What was known stays. What is wrong the other requests say, and these facts, which are
            # in PostgreSQL alone, may be late where all else is answered.
            with suppress(GatewayError):
                self._post(BoardDescribed(await self._gateway.read_board(board.slug)))
            await self._clock.sleep(FACTS_SECONDS)
        await asyncio.Event().wait()

    async def _follow_board(self, board: BoardSeason) -> None:
        """Read the board when the stream reports a change, and every second.

        It is read whole, not patched with the first lines that the stream carries: all lines are of
        one moment, and nothing is missed while the stream is down. A closed season, which seldom
        changes, is read less often.
        """
        while True:
            self._moved.clear()
            self._asked.clear()
            asked_at = self._clock.monotonic()
            await self._read_board(board, self._first)
            took = self._clock.monotonic() - asked_at
            if self._shown is not None and self._shown[1].season.is_final:
                await self._wait(self._asked, max(FINAL_SECONDS, _READS_A_PAUSE * took))
                continue
            # Only the operator cuts this pause short.
            await self._wait(self._asked, max(SHORTEST_BOARD_SECONDS, _READS_A_PAUSE * took))
            await self._wait(self._moved, BOARD_SECONDS)

    async def _read_board(self, board: BoardSeason, first: int) -> None:
        try:
            top = await self._gateway.read_page(board, first)
        except GatewayError as error:
            # Closed seasons are in PostgreSQL alone: where that hangs, all else may be answered.
            is_slow = board.number is not None and error.code == TIMEOUT
            if isinstance(error, Unreachable) and not is_slow:
                raise
            self._shown = None
            self._post(TopRefused(board, error))
            return
        self._note_connected()
        before, self._shown = self._shown, (first, top)
        if before is not None and before == (
            first,
            msgspec.structs.replace(top, as_of=before[1].as_of),
        ):
            self._post(TopArrived(board, None))
        else:
            self._post(TopArrived(board, top, first))

    async def _poll_status(self) -> None:
        while True:
            asked_at = self._clock.monotonic()
            try:
                status = await self._gateway.read_status()
            except Unreachable:
                raise
            except GatewayError as error:
                await self._note_refusal(error)
            else:
                round_trip_ms = 1000 * (self._clock.monotonic() - asked_at)
                self._post(StatusArrived(status, round_trip_ms))
            if self._board.number is not None:
                # No stream says that the service is there.
                self._note_connected()
            await self._clock.sleep(CLOSER_SECONDS)
            await self._wait(self._doubted, STATUS_SECONDS - CLOSER_SECONDS)
            self._doubted.clear()

    async def _note_refusal(self, error: GatewayError) -> None:
        """Tell why there is no status, and what may be known without it."""
        role = error.role if isinstance(error, Refused) else None
        if error.code != KEY_REQUIRED and role is None:
            self._post(StatusRefused(error))
            return
        try:
            self._post(StatusClosed(role, await self._gateway.read_readiness()))
        except Unreachable:
            raise
        except GatewayError as other:
            self._post(StatusRefused(other))

    async def _pause(self, error: GatewayError) -> None:
        pause_seconds = self._back_off.next_pause_seconds()
        if isinstance(error, Refused):
            pause_seconds = max(pause_seconds, error.delay_seconds)
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


async def _run_until_first_ends(*parts: Coroutine[Any, Any, object]) -> None:
    """Run these until one of them ends; raise why, if it failed."""
    tasks = {asyncio.create_task(part) for part in parts}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
