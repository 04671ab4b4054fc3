"""The gate: one check of every request ahead of the express lane and the routes.

Who may not, and what is too much, is answered here; everything else passes unread.
"""

from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from litestar.utils import normalize_path

from service.errors import ServiceError
from service.http.errors import encode_error
from service.keys.errors import (
    KeyRefused,
    KeyRequired,
    RoleInsufficient,
    TooManyRequests,
)
from service.keys.keyring import Key, Keyring
from service.keys.limiting import KeyLimiter
from service.keys.roles import Role

_READING: Final = {"GET", "HEAD", "OPTIONS"}
# What is not named here and not read needs the highest role, so that a route that is added later is
# not open to everybody by an oversight.
_SUBMITTING: Final = {
    ("POST", "/api/leaderboard/submit"),
    ("POST", "/api/leaderboard/submit/bulk"),
    ("POST", "/api/players"),
}
# Neither tells anything about players or scores.
_ALWAYS_OPEN: Final = ("/health/", "/schema/")
_OPERATING: Final = "/api/ops/"

_LONGEST_KEY: Final = 200


def find_role(method: str, path: str) -> Role | None:
    """Return the least role for a request; None for what is always open."""
    if (method, path) in _SUBMITTING:
        return Role.SUBMIT
    # The router takes `//api/ops/status/` for `/api/ops/status`, and so must this.
    path = normalize_path(path)
    folder = f"{path}/"
    if folder.startswith(_ALWAYS_OPEN):
        return None
    if folder.startswith(_OPERATING):
        return Role.ADMIN
    if method in _READING:
        return Role.READ
    return Role.SUBMIT if (method, path) in _SUBMITTING else Role.ADMIN


class Gate:
    """Lets requests through to `inside`, an ASGI application, or answers them itself.

    `may_be_open`: as long as no key was ever made, nobody needs one.
    """

    def __init__(
        self,
        inside: ASGIApp,
        keyring: Keyring,
        *,
        may_be_open: bool,
        public_reads: bool,
        request_limit: int,
        key_limiter: KeyLimiter | None,
    ) -> None:
        self._inside = inside
        self._keyring = keyring
        self._may_be_open = may_be_open
        self._public_reads = public_reads
        self._request_limit = request_limit
        self._key_limiter = key_limiter
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != ScopeType.HTTP:
            await self._inside(scope, receive, send)
            return
        verdict = self._judge(scope)
        if isinstance(verdict, Key):
            verdict = await self._key_limiter.take(verdict.name) if self._key_limiter else None
        if verdict is not None:
            await _refuse(send, verdict)
            return
        self._under_way += 1
        try:
            await self._inside(scope, receive, send)
        finally:
            self._under_way -= 1

    def _judge(self, scope: HTTPScope) -> ServiceError | Key | None:
        """Return why a request is refused, or the key by which it is not; None if it needs none."""
        needed = find_role(scope["method"], scope["path"])
        if needed is None:
            return None
        if self._under_way >= self._request_limit:
            return TooManyRequests()
        if needed is Role.READ and self._public_reads:
            return None
        if self._keyring.problem is not None:
            return self._keyring.problem
        if self._keyring.is_empty and self._may_be_open:
            return None
        return self._check_key(scope, needed)

    def _check_key(self, scope: HTTPScope, needed: Role) -> ServiceError | Key:
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        if not sent:
            return KeyRequired()
        scheme, _, token = sent[0].partition(b" ")
        if len(sent) > 1 or scheme.lower() != b"bearer" or len(token) > _LONGEST_KEY:
            return KeyRefused()
        key = self._keyring.find(token.strip(b" "))
        if key is None:
            return KeyRefused()
        return RoleInsufficient(key.role.word, needed.word) if key.role < needed else key


async def _refuse(send: Send, error: ServiceError) -> None:
    status, body, headers = encode_error(error)
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
