"""Who may send a request: which role its route needs, and whether the caller's key has it."""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import HTTPScope
from litestar.utils import normalize_path

from service.errors import ServiceError
from service.keys.errors import KeyRefused, KeyRequired, RoleInsufficient
from service.keys.keyring import Key, Keyring
from service.keys.roles import Role

_READING: Final = {"GET", "HEAD", "OPTIONS"}
_PARAMETER: Final = re.compile(r"\{[^}]+\}")

_LONGEST_KEY: Final = 200


class Kind(IntEnum):
    """What a request is, as far as places for requests are concerned."""

    READ = 0
    """Also what operators change: seldom, and not behind the queue of submits."""
    WRITE = 1
    STREAM = 2


class Access(NamedTuple):
    """What a route says of access to it, in its handler's `opt`."""

    role: Role | None
    """The least role of those who may call it; None for anybody."""
    kind: Kind


class RouteAccess:
    """The access to each route, as the `role` and the `stream` in its handler's `opt` say.

    A route without a role needs the highest, so that one that is added later is not open to
    everybody by an oversight. An address that is nowhere needs what its method usually does.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._addresses: dict[str, Mapping[str, Access]] = {}
        """By path, for paths without parameters."""
        self._by_group: list[Mapping[str, Access]] = []
        """Of paths with parameters, in the order of their groups in the pattern."""
        patterns = []
        for route in routes:
            if isinstance(route, HTTPRoute):
                methods = _read_methods(route)
                self._addresses[route.path_format] = methods
                if _PARAMETER.search(route.path_format):
                    patterns.append(_PARAMETER.sub("[^/]+", route.path_format))
                    self._by_group.append(methods)
        # One for all, with a group each, since every read of a rank asks it.
        self._match_any = re.compile("|".join(f"({one})" for one in patterns)).fullmatch

    def find(self, method: str, path: str) -> Access:
        """Return the access for a request by its path, or for a path as the document has it."""
        methods = self._match(path)
        if methods is None:
            # The router takes `//api/ops/status/` for `/api/ops/status`, and so must this.
            methods = self._match(normalize_path(path)) or {}
        return methods.get(method) or (_USUAL_READ if method in _READING else _USUAL_WRITE)

    def _match(self, path: str) -> Mapping[str, Access] | None:
        found = self._addresses.get(path)
        if found is not None:
            return found
        match = self._match_any(path)
        return self._by_group[match.lastindex - 1] if match and match.lastindex else None


_USUAL_READ: Final = Access(Role.READ, Kind.READ)
_USUAL_WRITE: Final = Access(Role.ADMIN, Kind.READ)


def _read_methods(route: HTTPRoute) -> dict[str, Access]:
    methods: dict[str, Access] = {
        method: _read_access(method, handler.opt)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }
    if "GET" in methods:
        methods["HEAD"] = Access(methods["GET"].role, Kind.READ)
    # Which methods there are is told to whoever may read, and to all where anything is open.
    roles = {access.role for access in methods.values()}
    lowest = None if None in roles else min(role for role in roles if role)
    methods["OPTIONS"] = Access(Role.READ if lowest is Role.SUBMIT else lowest, Kind.READ)
    return methods


def _read_access(method: str, opt: Mapping[str, Any]) -> Access:
    role = opt.get("role", Role.ADMIN)
    if opt.get("stream"):
        return Access(role, Kind.STREAM)
    is_write = role is Role.SUBMIT and method not in _READING
    return Access(role, Kind.WRITE if is_write else Kind.READ)


class Authorizer:
    """Decides about requests by the keys as they are at the moment.

    `may_be_open`: as long as no key was ever made, nobody needs one.
    """

    def __init__(self, keyring: Keyring, *, may_be_open: bool, public_reads: bool) -> None:
        self._keyring = keyring
        self._may_be_open = may_be_open
        self._public_reads = public_reads

    def authorize(self, scope: HTTPScope, needed: Role) -> ServiceError | Key | None:
        """Return why a request is refused, or the key by which it is not; None if it needs none."""
        if needed is Role.READ and self._public_reads:
            return None
        if self._keyring.problem is not None:
            return self._keyring.problem
        if self._keyring.is_empty and self._may_be_open:
            return None
        return self._check_key(scope, needed)

    async def wait_until_refused(self, scope: HTTPScope, needed: Role) -> None:
        """Wait until a request that was let in would be refused: for what lasts long enough."""
        while not isinstance(self.authorize(scope, needed), ServiceError):
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
