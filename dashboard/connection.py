"""Keeps in touch with the service: follows its stream, asks for its state, comes back."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from textual.message import Message

from dashboard.clock import Clock
from dashboard.gateway import Gateway, GatewayError, Unreachable
from dashboard.link import BackOff, Connected, Connecting, Disconnected, Faulty
from dashboard.messages import LinkChanged, StatusArrived, StatusRefused, TopArrived

STATUS_SECONDS: Final = 2.0


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

    def retry_now(self) -> None:
        """Give up the pause before the next attempt."""
        self._retry.set()

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        while True:
            self._post(LinkChanged(Connecting()))
            try:
                await self._keep_in_touch()
            except GatewayError as error:
                await self._pause(error)

    async def _keep_in_touch(self) -> None:
        """Follow the stream and poll the status until either fails; raise why."""
        tasks = {
            asyncio.create_task(self._follow_top()),
            asyncio.create_task(self._poll_status()),
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
                # What happened while nobody listened is fetched: the stream tells only what the
                # service has in memory, and after a restart that may be nothing.
                await self._fetch_top()
            self._post(TopArrived(top))

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
                if status.parts.redis.state != "ok":
                    # The stream is silent without Redis; a read still goes to PostgreSQL.
                    await self._fetch_top()
            await self._clock.sleep(STATUS_SECONDS)

    async def _fetch_top(self) -> None:
        try:
            self._post(TopArrived(await self._gateway.read_top()))
        except Unreachable:
            raise
        except GatewayError:
            # Nothing to read yet or any more: the stream or the status say what is wrong.
            return

    async def _pause(self, error: GatewayError) -> None:
        pause_seconds = self._back_off.next_pause_seconds()
        retry_at = self._clock.monotonic() + pause_seconds
        if isinstance(error, Unreachable):
            self._post(LinkChanged(Disconnected(error.message, retry_at)))
        else:
            self._post(LinkChanged(Faulty(error.code, error.message, retry_at)))
        self._retry.clear()
        waits = {
            asyncio.ensure_future(self._clock.sleep(pause_seconds)),
            asyncio.ensure_future(self._retry.wait()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
