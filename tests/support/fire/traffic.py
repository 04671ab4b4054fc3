"""Clients that post scores, insist where a key lets them, read, and keep every answer.

Not `dashboard.simulation`, which sends a plan on time and counts: these clients test what a retry
may do. They send the same score again until it is answered, twice at once, long after, and by bulk
in opposite orders, and every row of the ledger is compared with its own answers.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg
import httpx
import msgspec

from dashboard.simulation.client.requests import Connection, Target, describe_answer
from dashboard.simulation.client.transport import Answer
from service.backends.database import Database
from tests.support.fire.deployment import pause
from tests.support.fire.truth import check_competition_ranks
from tests.support.waiting import wait_until

# Nobody may be left without an answer, but both API processes may be starting at once.
ANSWER_SECONDS = 90.0

# Few values, so that many players tie, and the ends of what a score can be.
_SCORES = (*range(-3, 8), 2**31 - 1, -(2**31))
_SCORE_WEIGHTS = (*[10] * 11, 1, 1)

_KEYED_CLIENTS = 6
_KEYLESS_CLIENTS = 3
_SCORES_PER_LOAD = 10
_PAUSE_SECONDS = 0.06

# An API process that is told to stop waits a second for the next request of an idle connection.
_KEPT_SECONDS = 0.5


@dataclass(eq=False, slots=True)
class Attempt:
    """A score that a client wants to submit. Its game mode is the name it has in the ledger."""

    game_mode: str
    user_id: int
    score: int
    key: str | None
    session_ids: list[int] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        """Return what a client posts, apart from the key."""
        return {"user_id": self.user_id, "score": self.score, "game_mode": self.game_mode}


class Client:
    """Sends each request over a connection that no other uses; with `keeps`, the next one may.

    One that has been idle for long is closed: a server may do that at the very moment in which the
    next request is sent. httpx's own client would take more processor time than the service.
    """

    def __init__(self, url: str, *, keeps: bool = True) -> None:
        self._target = Target(url)
        self._keeps = keeps
        self._idle: list[tuple[float, Connection]] = []

    async def send(
        self, method: str, path: str, body: Any = None, key: str | None = None
    ) -> Answer:
        """Return the answer to one request; raises `httpx.TransportError` where it is lost."""
        connection = self._take_idle() or self._target.open_connection()
        started_at = time.monotonic()
        content = None if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await connection.send(method, f"/api/leaderboard/{path}", content, key=key)
        except TimeoutError:
            raise AssertionError(f"no answer: {method} {path}") from None
        if self._keeps:
            self._idle.append((started_at, connection))
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the connections that it has kept."""
        for _, connection in self._idle:
            connection.close()

    def _take_idle(self) -> Connection | None:
        # By when its last request began: how long the answer lay here is not known.
        while self._idle:
            started_at, connection = self._idle.pop()
            if time.monotonic() - started_at < _KEPT_SECONDS:
                return connection
            connection.close()
        return None


class Traffic:
    """Concurrent clients of one deployment.

    With a key they post the same score again until it is answered with 200, sometimes twice at
    once, and sometimes again long after; loaders do so with many scores in one request. Without a
    key they post once, whatever comes of it. Reads are answered, unless `stores_end_together`: a
    process that has just started cannot tell whether Redis is right where PostgreSQL ends, too.
    """

    def __init__(
        self, url: str, user_ids: Sequence[int], seed: int, *, stores_end_together: bool = False
    ) -> None:
        self.attempts: list[Attempt] = []
        self.accepted = 0
        self.refused = 0
        self.broken: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self._url = url
        self._user_ids = user_ids
        self._seed = seed
        self._stores_end_together = stores_end_together
        self._scores = count(1)
        self._clients = count(1)
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self, *, fresh_connections: int = 0) -> AsyncIterator[None]:
        """Keep clients at work inside the block; at its end every keyed score has its answer.

        Raises `AssertionError` for an answer that no client should ever get. So many clients as
        `fresh_connections` says open one for each post.
        """
        self._stopping.clear()
        fresh = Client(self._url, keeps=False)
        with closing(Client(self._url)) as lasting:
            async with asyncio.TaskGroup() as clients:
                for client, number in ((lasting, _KEYED_CLIENTS), (fresh, fresh_connections)):
                    for _ in range(number):
                        clients.create_task(self._insist(client, self._make_chance()))
                for _ in range(_KEYLESS_CLIENTS):
                    clients.create_task(self._try_once(lasting, self._make_chance()))
                clients.create_task(self._load(lasting, self._make_chance()))
                clients.create_task(self._read(lasting, self._make_chance()))
                yield
                self._stopping.set()

    async def wait_for_more(self, number: int) -> None:
        """Wait until so many more scores have been answered with 200."""
        enough = self.accepted + number
        await wait_until(lambda: self.accepted >= enough, seconds=ANSWER_SECONDS)

    async def wait_for_refusals(self, number: int) -> None:
        """Wait until so many more posts have been answered with 503."""
        enough = self.refused + number
        await wait_until(lambda: self.refused >= enough, seconds=ANSWER_SECONDS)

    async def wait_for_reads(self, number: int) -> None:
        """Wait until so many more reads of each kind have been answered."""
        enough = {kind: self.reads[kind] + number for kind in ("top", "rank", "around")}
        await wait_until(
            lambda: all(self.reads[kind] >= reads for kind, reads in enough.items()),
            seconds=ANSWER_SECONDS,
        )

    async def check_ledger(self, database: Database) -> None:
        """Assert that the ledger holds what was answered with 200 once, and nothing made up."""
        kept: dict[str, list[asyncpg.Record]] = {attempt.game_mode: [] for attempt in self.attempts}
        for row in await database.fetch(
            "SELECT * FROM game_session WHERE game_mode LIKE 'attempt-%'"
        ):
            kept[row["game_mode"]].append(row)
        for attempt in self.attempts:
            rows = kept[attempt.game_mode]
            assert len(rows) <= 1, f"counted twice: {rows}"
            if not attempt.session_ids:
                assert attempt.key is None, f"never answered: {attempt}"
                continue
            assert rows, f"answered with 200 but lost: {attempt}"
            (row,) = rows
            assert set(attempt.session_ids) == {row["id"]}, f"{attempt} is {row}"
            assert (row["player_id"], row["score"], row["idempotency_key"]) == (
                attempt.user_id,
                attempt.score,
                attempt.key,
            ), f"{attempt} is {row}"

    def describe(self) -> str:
        """Return what became of the posts so far, in one line."""
        return (
            f"{len(self.attempts)} scores, {self.accepted} accepted, {self.refused} posts refused, "
            f"broken connections {dict(self.broken)}, reads {dict(self.reads)}"
        )

    async def _insist(self, client: Client, chance: random.Random) -> None:
        answered: list[Attempt] = []
        while not self._stopping.is_set():
            attempt = self._draw(chance, keyed=True)
            while not attempt.session_ids:
                copies = 2 if chance.random() < 0.1 else 1
                await asyncio.gather(*(self._post(client, attempt) for _ in range(copies)))
                await pause(chance, _PAUSE_SECONDS)
            answered.append(attempt)
            if chance.random() < 0.1:
                await self._post(client, chance.choice(answered))

    async def _try_once(self, client: Client, chance: random.Random) -> None:
        while not self._stopping.is_set():
            await self._post(client, self._draw(chance, keyed=False))
            await pause(chance, _PAUSE_SECONDS)

    async def _load(self, client: Client, chance: random.Random) -> None:
        while not self._stopping.is_set():
            attempts = [self._draw(chance, keyed=True) for _ in range(_SCORES_PER_LOAD)]
            while not all(attempt.session_ids for attempt in attempts):
                # Two loads of the same scores in opposite order could wait for each other.
                await asyncio.gather(
                    self._post_many(client, attempts), self._post_many(client, attempts[::-1])
                )
                await pause(chance, _SCORES_PER_LOAD * _PAUSE_SECONDS)

    async def _read(self, client: Client, chance: random.Random) -> None:
        while not self._stopping.is_set():
            for kind in ("top", "rank", "around"):
                path = (
                    "top?limit=100" if kind == "top" else f"{kind}/{chance.choice(self._user_ids)}"
                )
                try:
                    answer = await client.send("GET", path)
                except httpx.TransportError as error:
                    self._note_broken(error)
                else:
                    self._note_read(kind, answer)
                await pause(chance, _PAUSE_SECONDS)

    async def _post(self, client: Client, attempt: Attempt) -> None:
        answer = await self._send(client, "submit", attempt.describe(), attempt.key)
        if answer is not None:
            self._note_answer(attempt, answer)

    async def _post_many(self, client: Client, attempts: Sequence[Attempt]) -> None:
        lines = [attempt.describe() | {"idempotency_key": attempt.key} for attempt in attempts]
        answers = await self._send(client, "submit/bulk", lines)
        for attempt, answer in zip(attempts, answers or [], strict=answers is not None):
            # Committed, but the database went away before an earlier answer could be repeated.
            if answer.get("code") == "database_unavailable":
                self.refused += 1
            else:
                self._note_answer(attempt, answer)

    async def _send(self, client: Client, path: str, body: Any, key: str | None = None) -> Any:
        """Post, and return the answer's body; None where it was refused or never came."""
        try:
            answer = await client.send("POST", path, body, key)
        except httpx.TransportError as error:
            self._note_broken(error)
            return None
        if answer.status == 503:
            self._note_refusal(answer)
            return None
        assert answer.status == 200, describe_answer(answer)
        return msgspec.json.decode(answer.body)

    def _note_answer(self, attempt: Attempt, answer: dict[str, Any]) -> None:
        assert answer["status"] == "success", answer
        if not attempt.session_ids:
            self.accepted += 1
        attempt.session_ids.append(answer["session_id"])

    def _note_read(self, kind: str, answer: Answer) -> None:
        body = msgspec.json.decode(answer.body)
        if answer.status == 503 and self._stores_end_together:
            assert body["code"] == "standings_unavailable", describe_answer(answer)
            self._note_refusal(answer)
            return
        assert answer.status == 200, describe_answer(answer)
        if kind != "rank":
            check_competition_ranks(body["leaderboard"], whole=kind == "top")
        self.reads[kind] += 1

    def _note_refusal(self, answer: Answer) -> None:
        assert int(_find_header(answer, b"retry-after")) >= 1, describe_answer(answer)
        self.refused += 1

    def _note_broken(self, error: httpx.TransportError) -> None:
        self.broken[f"{type(error).__name__}: {error}"] += 1

    def _draw(self, chance: random.Random, *, keyed: bool) -> Attempt:
        name = f"attempt-{next(self._scores)}"
        (score,) = chance.choices(_SCORES, _SCORE_WEIGHTS)
        attempt = Attempt(name, chance.choice(self._user_ids), score, name if keyed else None)
        self.attempts.append(attempt)
        return attempt

    def _make_chance(self) -> random.Random:
        return random.Random(f"{self._seed} {next(self._clients)}")


def _find_header(answer: Answer, name: bytes) -> bytes:
    return next(value for header, value in answer.headers if header.lower() == name)
