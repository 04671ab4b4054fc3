"""Who may send a request: which role it needs, and whether the caller's key has it."""

from typing import Final

from litestar.types import HTTPScope
from litestar.utils import normalize_path

from service.errors import ServiceError
from service.keys.errors import KeyRefused, KeyRequired, RoleInsufficient
from service.keys.keyring import Key, Keyring
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
_OPERATING: Final = ("/api/ops/", "/metrics/")

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


class Admission:
    """Judges requests by the keys as they are at the moment.

    `may_be_open`: as long as no key was ever made, nobody needs one.
    """

    def __init__(self, keyring: Keyring, *, may_be_open: bool, public_reads: bool) -> None:
        self._keyring = keyring
        self._may_be_open = may_be_open
        self._public_reads = public_reads

    def judge(self, scope: HTTPScope, needed: Role) -> ServiceError | Key | None:
        """Return why a request is refused, or the key by which it is not; None if it needs none."""
        if needed is Role.READ and self._public_reads:
            return None
        if self._keyring.problem is not None:
            return self._keyring.problem
        if self._keyring.is_empty and self._may_be_open:
            return None
        return self._check_key(scope, needed)

    async def wait_until_refused(self, scope: HTTPScope) -> None:
        """Wait until a request that was let in would be refused: for what lasts long enough."""
        needed = find_role(scope["method"], scope["path"])
        while needed is None or not isinstance(self.judge(scope, needed), ServiceError):
            await self._keyring.wait_for_change()

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
