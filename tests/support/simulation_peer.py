"""A small HTTP server that answers as the service does: the peer in the simulation's tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    key: str | None
    body: Any


Reply = tuple[int, Any]


@dataclass
class Peer:
    """Holds players and sessions; `misbehave` may answer in its stead.

    While `gate` is not set, calls are read and not answered; the first such sets `stalled`.
    """

    players: dict[int, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    sessions: dict[str, int] = field(default_factory=dict)
    misbehave: Callable[[Received], Reply | bytes | None] = lambda _: None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    traffic_seen: asyncio.Event = field(default_factory=asyncio.Event)
    connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)
    lost_sessions: int = 0
    port: int = 0
    close: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def traffic(self) -> list[Received]:
        return [call for call in self.received if call.path.startswith("/api/leaderboard/")]

    def answer(self, call: Received) -> Reply:
        parts = urlsplit(call.path)
        match call.method, parts.path.split("/")[2:]:
            case "GET", ["ops", "status"]:
                highest = max(self.players, default=0)
                return 200, {"players": {"highest_user_id": highest}, "highest_session_id": 0}
            case "GET", ["ops", "sessions", "count"]:
                prefix = parse_qs(parts.query)["key_prefix"][0]
                found = sum(key.startswith(prefix) for key in self.sessions) - self.lost_sessions
                return 200, {"sessions": found, "distinct_keys": found}
            case "GET", ["players", user_id]:
                return self._describe(int(user_id))
            case "GET", ["players"]:
                return self._describe(self._ids()[parse_qs(parts.query)["username"][0]])
            case "POST", ["players"]:
                if call.body["username"] in self._ids():
                    return 409, {"error": "The name is taken", "code": "username_taken"}
                created = max(self.players, default=0) + 1
                self.players[created] = call.body["username"]
                return 201, self._describe(created)[1]
            case "POST", ["leaderboard", "submit"]:
                session_id = self.sessions.setdefault(call.key or "", len(self.sessions) + 1)
                return 200, {"status": "success", "session_id": session_id}
            case "GET", ["leaderboard", "top"]:
                return 200, {"leaderboard": [], "players": len(self.players), "as_of": None}
            case "GET", ["leaderboard", "rank", user_id]:
                return 200, {"user_id": int(user_id), "total_score": 0, "rank": None}
        return 404, {"error": f"No such page: {call.path}", "code": "not_found"}

    def _ids(self) -> dict[str, int]:
        return {name: user_id for user_id, name in self.players.items()}

    def _describe(self, user_id: int) -> Reply:
        if user_id not in self.players:
            return 404, {"error": "User not found", "code": "player_not_found"}
        joined_at = "2026-01-01T00:00:00Z"
        name = self.players[user_id]
        return 200, {"user_id": user_id, "username": name, "joined_at": joined_at}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        try:
            while call := await _read_call(reader):
                self.received.append(call)
                if call.path.startswith("/api/leaderboard/"):
                    self.traffic_seen.set()
                if not self.gate.is_set():
                    self.stalled.set()
                    await self.gate.wait()
                reply = self.misbehave(call)
                if reply is None:
                    reply = self.answer(call)
                if isinstance(reply, bytes):
                    writer.write(reply)
                    return
                status, content = reply
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                head = f"HTTP/1.1 {status} -\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            del self.connections[task]


async def _read_call(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(
        method, path, headers.get("idempotency-key"), json.loads(body) if body else None
    )


@asynccontextmanager
async def run_peer(players: int = 20) -> AsyncIterator[Peer]:
    """Serve a peer with that many players on a free port."""
    peer = Peer(players={user_id: f"player_{user_id}" for user_id in range(1, players + 1)})
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    peer.close = server.close
    try:
        yield peer
    finally:
        server.close()
        peer.gate.set()
        for writer in peer.connections.values():
            writer.transport.abort()
        if peer.connections:
            await asyncio.wait(peer.connections)
