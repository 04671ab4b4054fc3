"""What the console asks of the service over HTTP, to read and to write."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import httpx
import msgspec

from dashboard.client.answers import (
    BoardFacts,
    Boards,
    Movers,
    NamedPlayers,
    Player,
    Rank,
    Readiness,
    Seasons,
    Sessions,
    Status,
    Top,
)
from dashboard.client.event_stream import EventParser, StreamOverflow
from dashboard.client.moderation import (
    ChangedState,
    CorrectedSeason,
    Explanation,
    MarkedSession,
    MarkedSessions,
    ModerationLog,
)
from dashboard.client.rights import Right, Rights
from dashboard.client.waits import Waits
from dashboard.clock import Clock, SystemClock
from dashboard.simulation.client.requests import GLOBAL_BOARD, Failure, shorten

TOP_LIMIT: Final = 100
PAGE_LIMIT: Final = 1_000

NOT_FOUND: Final = 404

FILLING: Final = "board_filling"
"""The code with which a board that counts the past first refuses to be read."""

TOO_BUSY: Final = "too_busy"
"""The code with which the service refuses a request for which it has no place left."""

KEY_REQUIRED: Final = "key_required"
KEY_REFUSED: Final = "key_refused"
ROLE_INSUFFICIENT: Final = "role_insufficient"
KEY_CODES: Final = (KEY_REQUIRED, KEY_REFUSED, ROLE_INSUFFICIENT)
"""The codes of what is wrong with an API key."""
RATE_LIMITED: Final = "rate_limited"
LIMIT_CODES: Final = (RATE_LIMITED, "http_429")
"""The codes of a key, or of an address, that has sent as much as it may."""
READ_ONLY: Final = "read_only"
"""The code of what this console itself refuses to write."""

_NOT_BEGUN: Final = ("keys_unknown", "ledger_busy", "standings_busy", TOO_BUSY)
"""The codes with which the service refuses what it has not begun."""

_PATIENCE_SECONDS: Final = 5.0
_ACT_SECONDS: Final = 60.0
"""What is written waits for locks, and may be of thousands of sessions."""
_CORRECTION_SECONDS: Final = 660.0
"""The service waits for two locks, half a minute each, and may then rank millions of players."""

_LONGEST_DELAY_SECONDS: Final = 60.0
_LEAST_LIMIT_DELAY_SECONDS: Final = 10.0
"""The service says when there is a place for one request, and the next would be refused again."""
_WHOLE_SERVICE: Final = ""

# To read the certificates that the machine trusts takes as long as to open a screen.
_TRUSTS_NOBODY: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

_Shape = TypeVar("_Shape")


class BoardSeason(NamedTuple):
    """A season of a board; without a number the one that is current, whichever that becomes."""

    slug: str = GLOBAL_BOARD
    number: int | None = None

    @property
    def is_global(self) -> bool:
        """Whether it is the board that is always there, which has one season."""
        return self.slug == GLOBAL_BOARD


GLOBAL: Final = BoardSeason()


class GatewayError(Exception):
    """A request without a usable answer; `code` is for machines, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def maybe_done(self) -> bool:
        """Whether what was to be written may be written all the same."""
        return False


class Unreachable(GatewayError):
    """Nobody answered: no connection, a lost one, or too late."""

    @property
    def maybe_done(self) -> bool:
        """It may be: what was asked may have come through."""
        return True


class Refused(GatewayError):
    """The service answered with an error of its own; `role` is that of a key that is too low.

    `delay_seconds` is how long it wants not to be asked again, 0 where it does not say.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        role: str | None = None,
        delay_seconds: float = 0.0,
    ) -> None:
        super().__init__(code, message)
        self.status = status
        self.role = role
        self.delay_seconds = delay_seconds

    @property
    def maybe_done(self) -> bool:
        """Where it failed half way, even in its commit, or where a proxy did not wait for it."""
        return not (300 <= self.status < 500 or self.code in _NOT_BEGUN)


class NotUnderstood(GatewayError):
    """Something answered, but it is not a leaderboard."""

    @property
    def maybe_done(self) -> bool:
        """It may be: what answered may have asked a leaderboard."""
        return True


# The service's own messages are for people who write HTTP requests; the operator has options.
_HOW: Final = "start the console with --api-key or LEADERBOARD_API_KEY"
_ABOUT_KEYS: Final = {
    KEY_REQUIRED: f"the service wants an API key: {_HOW}",
    KEY_REFUSED: f"the service does not know this API key: {_HOW} and one that was not revoked",
    RATE_LIMITED: "this key has sent as many requests as it may in a minute: give the console a "
    "key of its own, or raise LEADERBOARD_KEY_REQUESTS_PER_MINUTE",
}


class _Problem(msgspec.Struct):
    error: str
    code: str
    role: str | None = None


class Gateway:
    """One service by its URL. Every method raises `GatewayError`, and nothing else.

    What the service does not want to be asked again for a while is refused here until then.
    """

    def __init__(
        self,
        url: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        api_key: str | None = None,
        rights: Rights | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock or SystemClock()
        self._delays: dict[str, tuple[float, Refused]] = {}
        self.rights = rights or Rights()
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            timeout=_PATIENCE_SECONDS,
            transport=transport,
            verify=_TRUSTS_NOBODY if httpx.URL(url).scheme == "http" else True,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    def ask_at_once(self) -> None:
        """Ask again whatever the service wants: the operator does."""
        self._delays.clear()

    async def list_boards(self) -> list[BoardFacts]:
        """Return all boards, by slug."""
        boards: list[BoardFacts] = []
        after: str | None = ""
        while after is not None:
            path = f"/api/boards?{httpx.QueryParams(after=after, limit=PAGE_LIMIT)}"
            part = await self._read(path, Boards)
            boards.extend(part.boards)
            after = part.next
        return boards

    async def read_board(self, slug: str) -> BoardFacts:
        """Return a board with its current season."""
        return await self._read(f"/api/boards/{slug}", BoardFacts)

    async def read_seasons(self, slug: str) -> Seasons:
        """Return the newest seasons of a board."""
        return await self._read(f"/api/boards/{slug}/seasons?limit={PAGE_LIMIT}", Seasons)

    async def read_page(self, board: BoardSeason, first: int, limit: int = PAGE_LIMIT) -> Top:
        """Return the lines that start at a place; places count from 0."""
        return await self._read(_write_path(board, "page", offset=first, limit=limit), Top)

    async def read_movers(self, slug: str, limit: int) -> Movers:
        """Return who climbed and who fell furthest on a board; `Refused` for a lesser key."""
        return await self._read(f"/api/boards/{slug}/movers?limit={limit}", Movers)

    async def read_status(self) -> Status:
        """Return the state of every part."""
        return await self._read("/api/ops/status", Status)

    async def read_waits(self) -> Waits:
        """Return why requests are slow."""
        return await self._read("/api/ops/waits", Waits)

    async def read_readiness(self) -> Readiness:
        """Return which parts are there, which is told to everybody."""
        response = await self._send(self._client.build_request("GET", "/health/ready"))
        if response.status_code not in {httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE}:
            raise self._refuse(response)
        return _decode(response.content, Readiness)

    async def read_rank(self, board: BoardSeason, user_id: int) -> Rank:
        """Return where a player stands; a player who is not there is `Refused` with 404."""
        return await self._read(_write_path(board, f"rank/{user_id}"), Rank)

    async def read_around(self, board: BoardSeason, user_id: int, radius: int) -> Top:
        """Return a player among the neighbours; no line for one who has not played."""
        return await self._read(_write_path(board, f"around/{user_id}", radius=radius), Top)

    async def find_player(self, user_id: int) -> Player:
        """Return the player with that id; one who is not there is `Refused` with 404."""
        return await self._read(f"/api/players/{user_id}", Player)

    async def find_player_by_name(self, username: str) -> Player:
        """Return the player of exactly that name; one who is not there is `Refused` with 404."""
        query = httpx.QueryParams(username=username)
        return await self._read(f"/api/players?{query}", Player)

    async def find_player_by_external_id(self, external_id: str) -> Player:
        """Return the player of that external id; one who is not there is `Refused` with 404."""
        query = httpx.QueryParams(external_id=external_id)
        return await self._read(f"/api/players?{query}", Player)

    async def find_players(self, part: str, limit: int) -> NamedPlayers:
        """Return players with some letters in their names."""
        query = httpx.QueryParams(name=part, limit=limit)
        return await self._read(f"/api/players?{query}", NamedPlayers)

    async def read_sessions(self, user_id: int, limit: int, before: int | None = None) -> Sessions:
        """Return a player's last sessions, or the last before one of them."""
        path = f"/api/players/{user_id}/sessions?limit={limit}"
        return await self._read(path if before is None else f"{path}&before={before}", Sessions)

    async def revoke_session(self, session_id: int, reason: str) -> MarkedSession:
        """Undo a score by hand: its session counts nowhere any more; once revoked it stays so."""
        path = f"/api/sessions/{session_id}/revoke"
        return await self._write("traffic", "POST", path, {"reason": reason}, MarkedSession)

    async def mark_sessions(
        self,
        user_id: int,
        mark: str,
        session_ids: Sequence[int],
        reason: str,
        *,
        dry_run: bool,
    ) -> MarkedSessions:
        """`revoke` or `restore` sessions of a player, or look what that would change."""
        body = {"reason": reason, "session_ids": session_ids, "dry_run": dry_run}
        path = f"/api/players/{user_id}/sessions/{mark}"
        return await self._write("moderation", "POST", path, body, MarkedSessions)

    async def change_state(
        self, user_id: int, state: str, until: datetime | None, reason: str, *, dry_run: bool
    ) -> ChangedState:
        """Give a player a state, or look what that would change."""
        body = {"state": state, "reason": reason, "dry_run": dry_run}
        ends = {"until": until.isoformat()} if until else {}
        path = f"/api/players/{user_id}/state"
        return await self._write("moderation", "PUT", path, body | ends, ChangedState)

    async def rename_player(self, user_id: int, username: str, reason: str) -> Player:
        """Give a player another name, in every season."""
        body = {"username": username, "reason": reason}
        return await self._write("moderation", "PATCH", f"/api/players/{user_id}", body, Player)

    async def delete_player(self, user_id: int, scores: str, reason: str) -> None:
        """Forget who a player was, for good; the `scores` are kept or revoked."""
        self._check_right("moderation")
        query = httpx.QueryParams(scores=scores, reason=reason)
        request = self._client.build_request("DELETE", f"/api/players/{user_id}?{query}")
        response = await self._send(_allow_time(request, _ACT_SECONDS))
        if response.status_code != httpx.codes.NO_CONTENT:
            raise self._refuse(response)

    async def correct_season(
        self, slug: str, number: int, reason: str, *, dry_run: bool
    ) -> CorrectedSeason:
        """Rank a closed season again without what does not count by now, or look what changes."""
        body = {"reason": reason, "dry_run": dry_run}
        path = f"/api/boards/{slug}/seasons/{number}/correct"
        seconds = _CORRECTION_SECONDS
        return await self._write("moderation", "POST", path, body, CorrectedSeason, seconds)

    async def read_moderation_log(self, after: int | None = None) -> ModerationLog:
        """Return the newest entries of the moderation log, or those older than one."""
        query = httpx.QueryParams(order="newest", after=after or 0)
        return await self._read(f"/api/moderation?{query}", ModerationLog)

    async def explain_rank(self, board: BoardSeason, user_id: int) -> Explanation:
        """Return why a player's rank is what it is."""
        return await self._read(_write_path(board, f"explain/{user_id}"), Explanation)

    async def follow_top(self, slug: str) -> AsyncIterator[Top | None]:
        """Yield a board's top now and whenever it changes; None is a keep-alive in between.

        The iterator never ends by itself: a stream that the service closes is `Unreachable`.
        """
        parser = EventParser()
        # A silent stream is normal; whether the service lives, the polls of its status tell.
        timeout = httpx.Timeout(_PATIENCE_SECONDS, read=None)
        path = f"/api/boards/{slug}/stream?limit={TOP_LIMIT}"
        self._check_delay(path)
        try:
            async with self._client.stream("GET", path, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise self._refuse(response)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise NotUnderstood("unexpected_answer", "this is not a leaderboard's stream")
                async for chunk in response.aiter_bytes():
                    for event in parser.feed(chunk):
                        if event.name == "top":
                            yield _decode(event.data, Top)
                        elif not event.name:
                            yield None
        except httpx.RequestError as error:
            raise _describe_failure(error) from error
        except StreamOverflow as error:
            raise NotUnderstood("unexpected_answer", "the stream does not look like one") from error
        raise Unreachable("stream_closed", "the service closed the stream")

    async def _read(self, path: str, shape: type[_Shape]) -> _Shape:
        self._check_delay(path)
        return await self._ask(self._client.build_request("GET", path), shape)

    async def _write(
        self,
        right: Right,
        method: str,
        path: str,
        body: Mapping[str, object],
        shape: type[_Shape],
        seconds: float = _ACT_SECONDS,
    ) -> _Shape:
        self._check_right(right)
        request = self._client.build_request(method, path, json=body)
        return await self._ask(_allow_time(request, seconds), shape)

    def _check_right(self, right: Right) -> None:
        refusal = self.rights.find_refusal(right)
        if refusal is not None:
            raise GatewayError(READ_ONLY, refusal)

    def _check_delay(self, path: str) -> None:
        for place in (_WHOLE_SERVICE, path):
            if place in self._delays:
                until, refused = self._delays[place]
                seconds = until - self._clock.monotonic()
                if seconds > 0:
                    raise Refused(
                        refused.status, refused.code, refused.message, refused.role, seconds
                    )
                del self._delays[place]

    def _refuse(self, response: httpx.Response) -> Refused:
        """Return why the service refuses, and note for how long: a key, or what was asked."""
        refused = _describe_refusal(response)
        place = response.request.url.raw_path.decode()
        if refused.code in LIMIT_CODES:
            place = _WHOLE_SERVICE
            refused.delay_seconds = max(refused.delay_seconds, _LEAST_LIMIT_DELAY_SECONDS)
        if refused.delay_seconds:
            self._delays[place] = self._clock.monotonic() + refused.delay_seconds, refused
        return refused

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request)
        except httpx.RequestError as error:
            raise _describe_failure(error) from error

    async def _ask(self, request: httpx.Request, shape: type[_Shape]) -> _Shape:
        response = await self._send(request)
        if response.status_code != httpx.codes.OK:
            raise self._refuse(response)
        return _decode(response.content, shape)


def _write_path(board: BoardSeason, read: str, **query: int) -> str:
    """Return the path of a read of a board, at its current season where none is named."""
    if board.number is not None:
        query["season"] = board.number
    path = f"/api/boards/{board.slug}/{read}"
    return f"{path}?{httpx.QueryParams(query)}" if query else path


def _allow_time(request: httpx.Request, seconds: float) -> httpx.Request:
    """Let the answer take that long; a connection has to come about as soon as any."""
    request.extensions["timeout"]["read"] = seconds
    return request


def _decode(body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise NotUnderstood(
            "unexpected_answer", f"this does not answer as a leaderboard does: {error}"
        ) from error


def _read_delay(response: httpx.Response) -> float:
    """Return the seconds of `Retry-After`, 0 without them or where it is a date."""
    seconds = response.headers.get("retry-after", "")
    is_number = seconds.isascii() and seconds.isdecimal()
    return min(float(seconds), _LONGEST_DELAY_SECONDS) if is_number else 0.0


def _describe_refusal(response: httpx.Response) -> Refused:
    status, delay_seconds = response.status_code, _read_delay(response)
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.DecodeError:
        where = shorten(response.headers.get("location", ""))
        why = f"with another address, {where}" if where else "without a reason"
        message = f"the answer was HTTP {status} {why}"
        return Refused(status, f"http_{status}", message, None, delay_seconds)
    if problem.code == ROLE_INSUFFICIENT:
        message = f"{problem.error.removesuffix('.')}: {_HOW} and such a key"
        return Refused(status, problem.code, message, problem.role, delay_seconds)
    message = _ABOUT_KEYS.get(problem.code, problem.error)
    if status == httpx.codes.SERVICE_UNAVAILABLE and "; " in message:
        # The advice behind it is for who writes requests: the console asks again by itself.
        message = message.partition("; ")[0] + "."
    return Refused(status, problem.code, message, None, delay_seconds)


def _describe_failure(error: httpx.RequestError) -> GatewayError:
    if not isinstance(error, httpx.TransportError):
        return NotUnderstood("unexpected_answer", "the answer is not in the encoding that it names")
    failure = Failure.of_transport(error)
    if isinstance(error, httpx.TimeoutException):
        step = "read" if isinstance(error, httpx.ReadTimeout) else "connect"
        limit = error.request.extensions["timeout"][step]
        failure = Failure.of_timeout(limit or _PATIENCE_SECONDS)
    return Unreachable(failure.code, failure.message)
