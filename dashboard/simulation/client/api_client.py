"""Calls before and after a run: each must succeed, or the run says why it cannot begin."""

import asyncio
from typing import TypeVar

import httpx
import msgspec

from dashboard.simulation.client.requests import (
    TLS_FAILED,
    Connection,
    Failure,
    Target,
    describe_answer,
    shorten,
)
from dashboard.simulation.client.transport import Answer
from dashboard.simulation.errors import KeyRejected, ServiceUnreachable, UnexpectedAnswer

_TIMEOUT_SECONDS = 10.0

_Decoded = TypeVar("_Decoded")


class ApiClient:
    """Calls a service over a few connections, which it keeps.

    Raises `ServiceUnreachable` and `UnexpectedAnswer`.
    """

    def __init__(self, target: Target) -> None:
        self.url = target.url
        self._target = target
        self._idle: list[Connection] = []

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._idle:
            connection.close()

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Return the answer to one call, of whatever status."""
        connection = self._idle.pop() if self._idle else self._target.open_connection()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await connection.send(method, path, body)
        except httpx.TransportError as error:
            failure = Failure.of_transport(error)
            if isinstance(error, httpx.ConnectError) and failure.code != TLS_FAILED:
                raise ServiceUnreachable(self.url) from error
            finding = f"a broken connection ({shorten(str(error))})"
            raise UnexpectedAnswer(self.url, f"{method} {path}", finding) from error
        except TimeoutError as error:
            finding = f"nothing within {_TIMEOUT_SECONDS:g} s"
            raise UnexpectedAnswer(self.url, f"{method} {path}", finding) from error
        self._idle.append(connection)
        return answer

    def decode(self, answer: Answer, status: int, call: str, shape: type[_Decoded]) -> _Decoded:
        """Return what an answer of that status says; raises `KeyRejected` too."""
        if answer.status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            is_known = answer.status == httpx.codes.FORBIDDEN
            is_sent = self._target.has_key
            raise KeyRejected(self.url, is_known=is_known, is_sent=is_sent)
        if answer.status != status:
            raise UnexpectedAnswer(self.url, call, describe_answer(answer))
        try:
            return msgspec.json.decode(answer.body, type=shape)
        except msgspec.DecodeError as error:
            finding = f"something else than a leaderboard's JSON ({error})"
            raise UnexpectedAnswer(self.url, call, finding) from error

    async def read(self, path: str, shape: type[_Decoded]) -> _Decoded:
        """Return what is at a path, which must be there."""
        return self.decode(await self.ask("GET", path), httpx.codes.OK, f"GET {path}", shape)
