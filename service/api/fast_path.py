"""The fast path: the requests that make up the traffic, answered ahead of the framework.

Routing, dependency injection, validation and response objects cost several times what these
requests themselves do. So a plain, well-formed submit, a plain top of any board and a rank there,
also with `seen`, are answered right here, by the same services. Everything else, and every mistake
that is not the body's, goes on to the routes, which define and document what both answer.
"""

import re
import time
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from service.boards.finder import Season, SeasonFinder
from service.boards.words import GLOBAL_BOARD
from service.http.errors import encode_error
from service.http.requests import decode_body
from service.sessions.schemas import SubmitAnswer, SubmitScore
from service.sessions.service import Ledger, Submission
from service.standings.board_schemas import BoardRank, encode_board_top
from service.standings.reads.ranks import RankReader
from service.standings.reads.seen import SeenSessions, mark_pending
from service.standings.reads.top_feed import TopFeeds
from service.standings.run import Run
from service.standings.schemas import Rank, encode_top
from service.standings.top import TOP_LIMIT
from service.status.request_metrics import SUBMIT_ROUTE, RequestMetrics
from service.validation import MAX_ID, MAX_KEY_LENGTH, SLUG

_SUBMIT_PATH: Final = "/api/leaderboard/submit"
_GLOBAL_PREFIX: Final = "/api/leaderboard/"
_BOARDS_PREFIX: Final = "/api/boards/"
_RANK_PREFIX: Final = "rank/"

_is_slug: Final = re.compile(SLUG).fullmatch

_TOP_LIMITS: Final = {b"": 10} | {b"limit=%d" % limit: limit for limit in range(1, TOP_LIMIT + 1)}
_LONGEST_ID: Final = len(str(MAX_ID)) - 1
# Python refuses to read a number of thousands of digits, be they zeros.
_LONGEST_LENGTH: Final = 19

_JSON_HEADER: Final = (b"content-type", b"application/json")

_encode: Final = msgspec.json.Encoder().encode
_submit_decoder: Final = msgspec.json.Decoder(SubmitScore)


class _Reads:
    """The reads of `global`, or those of any board: their templates, and what they answer."""

    def __init__(
        self,
        template: str,
        encode_top: Callable[[Season, int, Run], bytes],
        encode_rank: Callable[[Season, Rank], bytes],
    ) -> None:
        self.top_template = f"{template}top"
        self.top_route = f"GET {self.top_template}"
        self.rank_template = f"{template}rank/{{user_id}}"
        self.rank_route = f"GET {self.rank_template}"
        self.encode_top = encode_top
        self.encode_rank = encode_rank
        # By what a feed remembers each of the bodies.
        self.top_keys = {limit: (template, limit) for limit in _TOP_LIMITS.values()}


_GLOBAL_READS: Final = _Reads(
    _GLOBAL_PREFIX, lambda _, limit, run: encode_top(limit, run), lambda _, rank: _encode(rank)
)
_BOARD_READS: Final = _Reads(
    f"{_BOARDS_PREFIX}{{slug}}/",
    encode_board_top,
    lambda season, rank: _encode(BoardRank.of(season, rank)),
)


class FastPath:
    """Answers plain requests to submit, top and rank, and lets the routes inside answer all others.

    `on_failure` is told of every error that it answers.
    """

    def __init__(
        self,
        inside: ASGIApp,
        *,
        ledger: Ledger,
        season_finder: SeasonFinder,
        top_feeds: TopFeeds,
        rank_reader: RankReader,
        seen_sessions: SeenSessions,
        metrics: RequestMetrics,
        body_limit: int,
        on_failure: Callable[[Exception], None] | None,
    ) -> None:
        self._inside = inside
        self._ledger = ledger
        self._season_finder = season_finder
        self._top_feeds = top_feeds
        self._rank_reader = rank_reader
        self._seen_sessions = seen_sessions
        self._metrics = metrics
        self._body_limit = body_limit
        self._on_failure = on_failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP or not await self._answer(scope, receive, send):
            await self._inside(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> bool:
        """Answer a request, or return False and leave it unread."""
        path = scope["path"]
        if path == _SUBMIT_PATH:
            is_plain = scope["method"] == "POST" and not scope["query_string"]
            return is_plain and await self._answer_submit(scope, receive, send)
        if scope["method"] != "GET":
            return False
        if path.startswith(_GLOBAL_PREFIX):
            read = path[len(_GLOBAL_PREFIX) :]
            return await self._answer_read(scope, send, _GLOBAL_READS, GLOBAL_BOARD, read)
        if path.startswith(_BOARDS_PREFIX):
            slug, _, read = path[len(_BOARDS_PREFIX) :].partition("/")
            if _is_slug(slug):
                return await self._answer_read(scope, send, _BOARD_READS, slug, read)
        return False

    async def _answer_submit(self, scope: HTTPScope, receive: Receive, send: Send) -> bool:
        length, key = self._read_submit_headers(scope)
        if not length:
            return False
        scope["path_template"] = _SUBMIT_PATH
        started_at = time.perf_counter()
        body = await _read_body(receive)
        if body is not None:
            status = await self._send_answer(send, self._submit(body, key))
            self._metrics.record(SUBMIT_ROUTE, status, time.perf_counter() - started_at)
        return True

    async def _answer_read(
        self, scope: HTTPScope, send: Send, reads: _Reads, slug: str, read: str
    ) -> bool:
        """Answer a plain top or rank of a board; `read` is what follows in the path."""
        query = scope["query_string"]
        if read == "top":
            limit = _TOP_LIMITS.get(query)
            if limit is None:
                return False
            template, route = reads.top_template, reads.top_route
            answering = self._read_top(reads, slug, limit)
        elif read.startswith(_RANK_PREFIX):
            user_id = _parse_id(read[len(_RANK_PREFIX) :])
            seen = _parse_seen(query) if query else None
            if user_id is None or (query and seen is None):
                return False
            template, route = reads.rank_template, reads.rank_route
            answering = self._read_rank(reads, slug, user_id, seen)
        else:
            return False
        # The template, so that any number of players and boards are one route.
        scope["path_template"] = template
        started_at = time.perf_counter()
        status = await self._send_answer(send, answering)
        self._metrics.record(route, status, time.perf_counter() - started_at)
        return True

    def _read_submit_headers(self, scope: HTTPScope) -> tuple[int, str | None]:
        """Return the body's length and the idempotency key; a length of 0 for the routes."""
        length = 0
        key: str | None = None
        is_json = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                readable = value.isdigit() and len(value) <= _LONGEST_LENGTH
                length = int(value) if readable else 0
            elif name == b"content-type":
                is_json = value == b"application/json"
            elif name == b"idempotency-key":
                if key is not None or not 0 < len(value) <= MAX_KEY_LENGTH:
                    return 0, None
                key = value.decode("latin-1")
                # Blanks around it the route takes away; all else it refuses.
                if not (key.isascii() and key.isprintable()) or " " in key:
                    return 0, None
            elif name == b"content-encoding":
                return 0, None
        return (length if is_json and length <= self._body_limit else 0), key

    async def _submit(self, body: bytes, key: str | None) -> bytes:
        score = decode_body(_submit_decoder, body.removeprefix(BOM_UTF8))
        session_id = await self._ledger.record(Submission.of(score, key))
        return _encode(SubmitAnswer(status="success", session_id=session_id))

    async def _read_top(self, reads: _Reads, slug: str, limit: int) -> bytes:
        season = await self._season_finder.find(slug)
        encode = partial(reads.encode_top, season, limit)
        return await self._top_feeds.read(season, reads.top_keys[limit], encode)

    async def _read_rank(self, reads: _Reads, slug: str, user_id: int, seen: int | None) -> bytes:
        season = await self._season_finder.find(slug)
        is_seen = seen is None or await self._seen_sessions.wait(season, seen, user_id)
        rank = await self._rank_reader.read_rank(season, user_id)
        return reads.encode_rank(season, mark_pending(rank, is_seen=is_seen))

    async def _send_answer(self, send: Send, answering: Awaitable[bytes]) -> int:
        """Send the answer as JSON, or the error that it raises; return the status."""
        status = 200
        headers = [_JSON_HEADER]
        try:
            body = await answering
        except Exception as error:  # noqa: BLE001 - the edge: every error is answered in one shape
            if self._on_failure is not None:
                self._on_failure(error)
            status, body, error_headers = encode_error(error)
            headers += error_headers
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
        return status


def _parse_id(text: str) -> int | None:
    # Zeros ahead the routes refuse.
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= _LONGEST_ID:
        return int(text)
    return None


def _parse_seen(query: bytes) -> int | None:
    name, _, session_id = query.partition(b"=")
    return _parse_id(session_id.decode("latin-1")) if name == b"seen" else None


async def _read_body(receive: Receive) -> bytes | None:
    """Return the whole body; None where the caller went away in the middle."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
