"""A leaderboard service in memory: the peer of the console's tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.support.console.frozen_clock import START, FrozenClock

URL = "http://127.0.0.1:8000"

NAMES = ("ada", "grace", "edsger", "barbara", "donald", "alan", "katherine", "linus", "margaret")


def list_entries(scores: list[tuple[int, str, int]]) -> list[dict[str, Any]]:
    """Rank (id, name, score) as the service does: competition ranking, ties by id."""
    ordered = sorted(scores, key=lambda row: (-row[2], row[0]))
    better: dict[int, int] = {}
    for place, (_, _, score) in enumerate(ordered):
        better.setdefault(score, place)
    return [
        {"user_id": user_id, "username": name, "total_score": score, "rank": 1 + better[score]}
        for user_id, name, score in ordered
    ]


def default_scores() -> list[tuple[int, str, int]]:
    scores = [9_400, 8_700, 8_700, 7_150, 5_000, 4_321, 1_240, 0, -35]
    return [(number, *pair) for number, pair in enumerate(zip(NAMES, scores, strict=True), 1)]


@dataclass
class ServicePeer:
    """Answers as the service does. `fail` may raise or answer in its stead."""

    clock: FrozenClock
    scores: list[tuple[int, str, int]] = field(default_factory=default_scores)
    unplayed: dict[int, str] = field(default_factory=lambda: {77: "newcomer"})
    stale: bool = False
    away: set[str] = field(default_factory=set)
    pending: int | None = 3
    highest_session_id: int = 1_000
    api_pid: int = 4_100
    more_api_pids: list[int] = field(default_factory=list)
    worker_pids: list[int] = field(default_factory=lambda: [4_200])
    started_at: dict[int, datetime] = field(default_factory=dict)
    clock_ahead: timedelta = timedelta()
    server_errors: int = 0
    cause: str | None = None
    store_started_at: datetime = START
    fail: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    requests: list[str] = field(default_factory=list)
    sessions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    silent: bool = False
    hanging: bool = False
    page_seconds: float = 0.0
    rank_seconds: float = 0.0
    shown_sessions: list[int] | None = field(default_factory=lambda: [0, 0, 0, 0])

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def go_away(self) -> None:
        """Break every stream and refuse every connection."""

        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        self.fail = refuse
        self.close_streams()

    def come_back(self) -> None:
        self.fail = lambda _: None

    def refuse(self, status: int, code: str, message: str, path: str = "/api/") -> None:
        """Answer calls below `path` with an error."""

        def answer(request: httpx.Request) -> httpx.Response | None:
            if path in request.url.path:
                return httpx.Response(status, json={"error": message, "code": code})
            return None

        self.fail = answer

    def close_streams(self) -> None:
        for stream in self.streams:
            stream.put_nowait(None)
        self.streams.clear()

    def publish(self) -> None:
        """Send the top to every stream."""
        for stream in self.streams:
            stream.put_nowait(self._encode_event())

    def add_score(self, user_id: int, points: int) -> None:
        """Count a session, and publish."""
        self.scores = [
            (number, name, score + points if number == user_id else score)
            for number, name, score in self.scores
        ]
        self.highest_session_id += 1
        session = {"session_id": self.highest_session_id, "score": points, "game_mode": "solo"}
        self.sessions.setdefault(user_id, []).insert(0, session | {"submitted_at": self._time()})
        self.publish()

    def start_process(self, pid: int) -> int:
        """Note when a process starts: now. Others were there before the console was."""
        self.started_at[pid] = self.clock.now()
        return pid

    def describe_top(self, limit: int = 100) -> dict[str, Any]:
        entries = list_entries(self.scores)
        top = {"leaderboard": entries[:limit], "players": len(entries), "as_of": self._time()}
        return top | ({"stale": True} if self.stale else {})

    def _time(self) -> str:
        return self.clock.now().isoformat()

    def _encode_event(self) -> bytes:
        body = json.dumps(self.describe_top(), ensure_ascii=False)
        return f"event: top\r\ndata: {body}\r\n\r\n".encode()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.raw_path.decode())
        failure = self.fail(request)
        if failure is not None:
            return failure
        match request.url.path.split("/")[2:]:
            case ["leaderboard", *rest]:
                return await self._answer_leaderboard(rest, request.url.params)
            case ["players", user_id, "sessions"]:
                last = self.sessions.get(int(user_id), [])[: int(request.url.params["limit"])]
                return httpx.Response(200, json={"sessions": last, "next_before": None})
            case ["players", user_id]:
                return self._describe_player(int(user_id))
            case ["players"]:
                wanted = request.url.params["username"]
                ids = {name: number for number, name, _ in self.scores}
                ids |= {name: number for number, name in self.unplayed.items()}
                return self._describe_player(ids.get(wanted, 0))
            case ["ops", "status"]:
                return httpx.Response(200, json=self.describe_status())
        return _refuse_path()

    async def _answer_leaderboard(
        self, path: list[str], parameters: httpx.QueryParams
    ) -> httpx.Response:
        match path:
            case ["stream"]:
                return httpx.Response(
                    200, content=self._stream(), headers={"content-type": "text/event-stream"}
                )
            case ["page"]:
                if self.hanging:
                    await asyncio.Event().wait()
                if self.page_seconds:
                    await self.clock.sleep(self.page_seconds)
                first, limit = int(parameters["offset"]), int(parameters["limit"])
                page = list_entries(self.scores)[first : first + limit]
                return httpx.Response(200, json=self.describe_top() | {"leaderboard": page})
            case ["rank", user_id]:
                if self.rank_seconds:
                    await self.clock.sleep(self.rank_seconds)
                return self._describe_rank(int(user_id))
            case ["around", user_id]:
                return self._describe_around(int(user_id), int(parameters["radius"]))
        return _refuse_path()

    async def _stream(self) -> AsyncIterator[bytes]:
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.streams.append(stream)
        yield b": leaderboard\r\n\r\n"
        if not self.silent:
            yield self._encode_event()
        while True:
            event = await stream.get()
            if event is None:
                return
            yield event

    def _find_name(self, user_id: int) -> str | None:
        names = {number: name for number, name, _ in self.scores} | self.unplayed
        return names.get(user_id)

    def _describe_player(self, user_id: int) -> httpx.Response:
        name = self._find_name(user_id)
        if name is None:
            return httpx.Response(404, json={"error": "User not found", "code": "user_not_found"})
        joined_at = START.isoformat()
        return httpx.Response(
            200, json={"user_id": user_id, "username": name, "joined_at": joined_at}
        )

    def _describe_rank(self, user_id: int) -> httpx.Response:
        entries = list_entries(self.scores)
        entry = next((entry for entry in entries if entry["user_id"] == user_id), None)
        base: dict[str, Any] = {"players": len(entries), "as_of": self._time()}
        base |= {"stale": True} if self.stale else {}
        if entry is None:
            name = self._find_name(user_id)
            lone = {"user_id": user_id, "username": name, "total_score": 0}
            return httpx.Response(200, json=base | lone | {"rank": None, "percentile": None})
        percentile = round(100 * (len(entries) - entry["rank"] + 1) / len(entries), 2)
        return httpx.Response(200, json=base | entry | {"percentile": percentile})

    def _describe_around(self, user_id: int, radius: int) -> httpx.Response:
        entries = list_entries(self.scores)
        ids = [entry["user_id"] for entry in entries]
        near: list[dict[str, Any]] = []
        if user_id in ids:
            at = ids.index(user_id)
            near = entries[max(0, at - radius) : at + radius + 1]
        return httpx.Response(200, json=self.describe_top() | {"leaderboard": near})

    def describe_status(self) -> dict[str, Any]:
        def part(name: str, **figures: Any) -> dict[str, Any]:
            if name in self.away:
                return {"state": "away"} | ({"processes": []} if "processes" in figures else {})
            return {"state": "ok"} | figures

        def process(pid: int, **figures: int) -> dict[str, Any]:
            started_at = self.started_at.get(pid, START).isoformat()
            return {"host": "box", "pid": pid, "started_at": started_at} | figures

        # The one that answers knows of the others only through Redis.
        listed = [] if "redis" in self.away else self.more_api_pids
        apis = [process(pid, memory_bytes=80_000_000) for pid in (self.api_pid, *listed)]
        workers = [process(pid, threads=4) for pid in self.worker_pids]
        store = {"started_at": self.store_started_at.isoformat()}
        # Redis tells its age, and the API process the time by its own clock.
        cache = {"started_at": (self.store_started_at + self.clock_ahead).isoformat()}
        run = {"number": 12, "at": self._time(), "duration_ms": 6.5}
        route = {"count": 900, "server_errors": self.server_errors, "per_second": 15.0}
        route |= {"p50_ms": 4.2, "p95_ms": 9.0, "p99_ms": 12.5, "max_ms": 30.0}
        return {
            "version": "0.1.0",
            "at": (self.clock.now() + self.clock_ahead).isoformat(),
            "parts": {
                "api": part("api", processes=apis),
                "postgresql": part(
                    "postgresql", version="18.6", round_trip_ms=2.5, connections=5, **store
                ),
                "redis": part(
                    "redis", version="9.1.2", round_trip_ms=0.7, memory_bytes=1_700_000, **cache
                ),
                "worker": part("worker", processes=workers),
                "scheduler": part("scheduler", last_seen_at=START.isoformat()),
                "index": part("index", offset=12, last_refresh=12, behind=0, cause=self.cause),
            },
            "pending_sessions": self.pending,
            "highest_session_id": self.highest_session_id,
            "players": {"standing": len(self.scores), "highest_user_id": 77},
            "refresh": run | {"sessions": 4},
            "rerank": run | {"ranks_changed": 2},
            "freshness": self.shown_sessions
            and {"bounds_ms": [100, 200, 500], "counts": self.shown_sessions},
            "queues": {}
            if "redis" in self.away
            else {"standings": {"ready": 1, "delayed": 0, "dead": 0}},
            "routes": [
                {"route": "POST /api/leaderboard/submit"} | route,
                {"route": "GET /api/leaderboard/rank/{user_id}"} | route | {"per_second": 5.0},
            ],
        }


def _refuse_path() -> httpx.Response:
    return httpx.Response(404, json={"error": "There is nothing here", "code": "not_found"})


def fill(players: int) -> ServicePeer:
    peer = ServicePeer(FrozenClock())
    peer.scores = [
        (number, f"player {number}", 99_999 - number) for number in range(1, players + 1)
    ]
    return peer
