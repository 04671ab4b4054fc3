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

_LATER = 20

NAMES = ("ada", "grace", "edsger", "barbara", "donald", "alan", "katherine", "linus", "margaret")


Scores = list[tuple[int, str, int]]
"""Players by id, name and score."""


@dataclass
class PeerSeason:
    """A season of a board, and who stands in it; no two are level where `first` counts."""

    number: int
    scores: Scores
    state: str = "open"
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def describe(self) -> dict[str, Any]:
        ends = [moment and moment.isoformat() for moment in (self.starts_at, self.ends_at)]
        starts_at, ends_at = ends
        return {
            "number": self.number,
            "state": self.state,
            "revision": 1,
            "starts_at": starts_at,
            "ends_at": ends_at,
        }


@dataclass
class PeerBoard:
    """A board with its seasons, oldest first, and how it orders and writes scores."""

    slug: str
    title: str
    seasons: list[PeerSeason]
    state: str = "open"
    is_low: bool = False
    is_first: bool = False
    write: Callable[[int], str] = str

    def describe(self) -> dict[str, Any]:
        season = self.seasons[-1]
        return {
            "slug": self.slug,
            "title": self.title,
            "state": self.state,
            "season": self.describe_season(season),
            "players": len(season.scores),
        }

    def describe_season(self, season: PeerSeason) -> dict[str, Any]:
        closed_at = season.describe()["ends_at"] if season.state == "closed" else None
        return season.describe() | {"closed_at": closed_at, "players": len(season.scores)}

    def find_season(self, number: str | None) -> PeerSeason | None:
        if number is None:
            return self.seasons[-1]
        return next((season for season in self.seasons if season.number == int(number)), None)

    def list_entries(self, season: PeerSeason) -> list[dict[str, Any]]:
        """Rank players as the service does: competition ranking, ties by id or who was first."""
        sign = 1 if self.is_low else -1
        # Who was first is who comes first in the list.
        tie = season.scores.index if self.is_first else (lambda row: row[0])
        ordered = sorted(season.scores, key=lambda row: (sign * row[2], tie(row)))
        better: dict[int, int] = {}
        for place, (_, _, score) in enumerate(ordered):
            better.setdefault(score, place)
        return [
            {
                "user_id": user_id,
                "username": name,
                "score": score,
                "score_text": self.write(score),
                "rank": 1 + (place if self.is_first else better[score]),
            }
            for place, (user_id, name, score) in enumerate(ordered)
        ]


def default_scores() -> Scores:
    scores = [9_400, 8_700, 8_700, 7_150, 5_000, 4_321, 1_240, 0, -35]
    return [(number, *pair) for number, pair in enumerate(zip(NAMES, scores, strict=True), 1)]


@dataclass
class ServicePeer:
    """Answers as the service does. `fail` may raise or answer in its stead."""

    clock: FrozenClock
    scores: Scores = field(default_factory=default_scores)
    boards: dict[str, PeerBoard] = field(default_factory=dict)
    unplayed: dict[int, str] = field(default_factory=lambda: {77: "newcomer"})
    external_ids: dict[str, int] = field(default_factory=dict)
    stale: bool = False
    movers: dict[str, Any] | None = None
    away: set[str] = field(default_factory=set)
    away_for: timedelta | None = None
    status_hangs: bool = False
    pending: int | None = 3
    oldest: float | None = 0.1
    dead: int = 0
    boards_status: dict[str, Any] | None = None
    put_off: timedelta | None = None
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
    revoked: dict[int, str] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    silent: bool = False
    hanging: bool = False
    page_seconds: float = 0.0
    rank_seconds: float = 0.0
    players_held: asyncio.Event | None = None
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
        """Tell every stream of a change, which the console then reads."""
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

    def find_board(self, slug: str) -> PeerBoard | None:
        if slug == "global":
            return PeerBoard("global", "Global", [PeerSeason(1, self.scores)])
        return self.boards.get(slug)

    def describe_top(self) -> dict[str, Any]:
        """Return all of `global`."""
        board = self.find_board("global")
        assert board is not None
        return self._describe_entries(board, board.seasons[-1])

    def _describe_entries(self, board: PeerBoard, season: PeerSeason) -> dict[str, Any]:
        entries = board.list_entries(season)
        return self._describe_season(board, season) | {"entries": entries, "next": None}

    def _describe_season(self, board: PeerBoard, season: PeerSeason) -> dict[str, Any]:
        facts = {"board": board.slug, "season": season.describe(), "as_of": self._time()}
        stale = {"stale": True} if self.stale else {}
        return facts | {"players": len(season.scores)} | stale

    def _time(self) -> str:
        return self.clock.now().isoformat()

    def _encode_event(self) -> bytes:
        body = json.dumps(self.describe_top(), ensure_ascii=False)
        return f"event: top\r\ndata: {body}\r\n\r\n".encode()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.raw_path.decode())
        if request.url.path == "/api/ops/status":
            # Later than the stream begins, in whatever order a console's tasks do.
            for _ in range(_LATER):
                await asyncio.sleep(0)
        return self.fail(request) or await self._answer_well(request)

    async def _answer_well(self, request: httpx.Request) -> httpx.Response:
        if request.method != "GET" or request.url.path in self.answers:
            return self._moderate(request)
        match request.url.path.split("/")[2:]:
            case ["boards"]:
                slugs = ["global", *self.boards]
                boards = [board.describe() for slug in slugs if (board := self.find_board(slug))]
                return httpx.Response(200, json={"boards": boards, "next": None})
            case ["boards", slug, *rest]:
                board = self.find_board(slug)
                if board is None:
                    message = f"There is no board {slug!r}."
                    return httpx.Response(404, json={"error": message, "code": "board_not_found"})
                return await self._answer_board(board, rest, request.url.params)
            case ["players", user_id, "sessions"]:
                return self._list_sessions(int(user_id), request.url.params)
            case ["players", user_id]:
                return self._describe_player(int(user_id))
            case ["players"]:
                return await self._find_players(request.url.params)
            case ["ops", "status"]:
                return await self._answer_status()
        return _refuse_path()

    def _moderate(self, request: httpx.Request) -> httpx.Response:
        """Revoke a session; else answer as the test says, of which the console only shows it."""
        path = request.url.path
        body: Any = json.loads(request.content) if request.content else None
        match path.split("/")[2:]:
            case ["sessions", session_id, "revoke"]:
                self.revoked.setdefault(int(session_id), body["reason"])
                marked = {"session_id": int(session_id), "revoked_at": self._time()}
                return httpx.Response(200, json=marked)
        if request.method == "DELETE":
            self.bodies.append((path, dict(request.url.params)))
            return httpx.Response(204)
        if body is not None:
            self.bodies.append((path, body))
        return httpx.Response(200, json=self.answers[path])

    def _list_sessions(self, user_id: int, parameters: httpx.QueryParams) -> httpx.Response:
        before = int(parameters.get("before", 2**53))
        last = [one for one in self.sessions.get(user_id, []) if one["session_id"] < before]
        shown = last[: int(parameters["limit"])]
        older = shown[-1]["session_id"] if len(shown) < len(last) else None
        return httpx.Response(200, json={"sessions": shown, "next_before": older})

    async def _answer_status(self) -> httpx.Response:
        if self.status_hangs:
            await asyncio.Event().wait()
        return httpx.Response(200, json=self.describe_status())

    async def _answer_board(
        self, board: PeerBoard, path: list[str], parameters: httpx.QueryParams
    ) -> httpx.Response:
        if not path:
            return httpx.Response(200, json=board.describe())
        if path == ["seasons"]:
            seasons = [board.describe_season(season) for season in reversed(board.seasons)]
            return httpx.Response(200, json={"seasons": seasons, "next": None})
        season = board.find_season(parameters.get("season"))
        if season is None:
            message = f"The board has no season {parameters['season']}."
            return httpx.Response(404, json={"error": message, "code": "season_not_found"})
        if board.state == "filling":
            message = f"The board {board.slug!r} is being filled from the ledger."
            return httpx.Response(503, json={"error": message, "code": "board_filling"})
        return await self._answer_season(board, season, path, parameters)

    async def _answer_season(
        self, board: PeerBoard, season: PeerSeason, path: list[str], parameters: httpx.QueryParams
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
                answer = self._describe_entries(board, season)
                answer["entries"] = answer["entries"][first : first + limit]
                return httpx.Response(200, json=answer)
            case ["movers"] if self.movers is not None:
                return httpx.Response(200, json=self._describe_season(board, season) | self.movers)
            case ["rank", user_id]:
                if self.rank_seconds:
                    await self.clock.sleep(self.rank_seconds)
                return self._describe_rank(board, season, int(user_id))
            case ["around", user_id]:
                return self._describe_around(board, season, int(user_id), int(parameters["radius"]))
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

    async def _find_players(self, parameters: httpx.QueryParams) -> httpx.Response:
        if self.players_held is not None:
            await self.players_held.wait()
        names = {number: name for number, name, _ in self.scores} | self.unplayed
        if "external_id" in parameters:
            return self._describe_player(self.external_ids.get(parameters["external_id"], 0))
        if "username" in parameters:
            ids = {name: number for number, name in names.items()}
            return self._describe_player(ids.get(parameters["username"], 0))
        part, limit = parameters["name"].casefold(), int(parameters["limit"])
        found = [
            {"user_id": number, "username": name, "joined_at": START.isoformat()}
            for number, name in names.items()
            if part in name.casefold()
        ]
        return httpx.Response(200, json={"players": found[:limit], "more": len(found) > limit})

    def _describe_player(self, user_id: int) -> httpx.Response:
        name = self._find_name(user_id)
        if name is None:
            return httpx.Response(404, json={"error": "User not found", "code": "user_not_found"})
        joined_at = START.isoformat()
        return httpx.Response(
            200, json={"user_id": user_id, "username": name, "joined_at": joined_at}
        )

    def _describe_rank(self, board: PeerBoard, season: PeerSeason, user_id: int) -> httpx.Response:
        entries = board.list_entries(season)
        entry = next((entry for entry in entries if entry["user_id"] == user_id), None)
        base = self._describe_season(board, season)
        if entry is None:
            name = self._find_name(user_id)
            lone = {"user_id": user_id, "username": name, "score": None, "score_text": None}
            return httpx.Response(200, json=base | lone | {"rank": None, "percentile": None})
        percentile = round(100 * (len(entries) - entry["rank"] + 1) / len(entries), 2)
        return httpx.Response(200, json=base | entry | {"percentile": percentile})

    def _describe_around(
        self, board: PeerBoard, season: PeerSeason, user_id: int, radius: int
    ) -> httpx.Response:
        entries = board.list_entries(season)
        ids = [entry["user_id"] for entry in entries]
        near: list[dict[str, Any]] = []
        if user_id in ids:
            at = ids.index(user_id)
            near = entries[max(0, at - radius) : at + radius + 1]
        return httpx.Response(200, json=self._describe_season(board, season) | {"entries": near})

    def _describe_rerank(self, run: dict[str, Any]) -> dict[str, Any]:
        if self.put_off is None:
            return run | {"ranks_changed": 2}
        # That of an earlier refresh.
        at = self.clock.now() + self.clock_ahead - self.put_off
        return run | {"number": 11, "at": at.isoformat(), "ranks_changed": 2}

    def describe_status(self) -> dict[str, Any]:
        def part(name: str, **figures: Any) -> dict[str, Any]:
            if name in self.away:
                away: dict[str, Any] = {"state": "away"}
                if self.away_for is not None:
                    at = self.clock.now() + self.clock_ahead - self.away_for
                    away["since"] = at.isoformat()
                return away | ({"processes": []} if "processes" in figures else {})
            if "redis" in self.away and name in {"worker", "scheduler", "index"}:
                return {"state": "unknown"} | ({"processes": []} if "processes" in figures else {})
            return {"state": "ok"} | figures

        def process(pid: int, **figures: float) -> dict[str, Any]:
            started_at = self.started_at.get(pid, START).isoformat()
            return {"host": "box", "pid": pid, "started_at": started_at} | figures

        # The one that answers knows of the others only through Redis.
        listed = [] if "redis" in self.away else self.more_api_pids
        load = {
            "submits_waiting": 0,
            "database_connections": 8,
            "database_connections_idle": 7,
            "loop_lag_ms": 1.2,
            "host_processors": 2,
            "host_processor_percent": 12.5,
            "host_load": 0.2,
        }
        apis = [process(pid, memory_bytes=80_000_000, **load) for pid in (self.api_pid, *listed)]
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
            "oldest_pending_seconds": self.oldest,
            "boards": self.boards_status,
            "highest_session_id": self.highest_session_id,
            "players": {"standing": len(self.scores), "highest_user_id": 77},
            "refresh": run | {"sessions": 4},
            "rerank": self._describe_rerank(run),
            "freshness": self.shown_sessions
            and {"bounds_ms": [100, 200, 500], "counts": self.shown_sessions},
            "queues": {}
            if "redis" in self.away
            else {"standings": {"ready": 1, "delayed": 0, "dead": self.dead}},
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


def make_mover(user_id: int, climbed: int, name: str | None = None) -> dict[str, Any]:
    """A player of a large board, who stands far down."""
    entry = {"user_id": user_id, "username": name or f"player{user_id}"}
    return entry | {"score": 5, "score_text": "5", "rank": 2_000 + user_id, "climbed": climbed}


def make_movers(since: str, *movers: dict[str, Any], complete: bool = True) -> dict[str, Any]:
    """Who moved since a time of that day."""
    return {
        "since": f"2026-11-23T{since}Z",
        "climbed": [one for one in movers if one["climbed"] > 0],
        "fell": [one for one in movers if one["climbed"] < 0],
        "scores": 10_000,
        "complete": complete,
    }
