"""Where a proxy serves us under a path of its own, such as `/lb/`.

It may leave the prefix in what it sends or take it away; links that we send have it in both cases.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from service.settings.origins import PREFIX

_HEADER: Final = b"x-forwarded-prefix"
_KEY: Final = "leaderboard.prefix"


class Prefixes:
    """Takes the prefix off a request's path, and remembers it for the links of its answer.

    `root_path` is known beforehand. Of the proxies in `trusted`, a list of networks with commas
    between, the request may name another one in `X-Forwarded-Prefix`.
    """

    def __init__(self, inside: ASGIApp, *, root_path: str, trusted: str) -> None:
        self._inside = inside
        self._root_path = root_path
        networks = [ip_network(one) for one in trusted.split(",") if one]
        self._is_trusted = lru_cache(maxsize=1_024)(lambda host: _is_in(networks, host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == ScopeType.HTTP:
            prefix = self._read_header(scope) or self._root_path
            scope[_KEY] = prefix  # type: ignore[typeddict-unknown-key]
            for one in {prefix, self._root_path} - {""}:
                if f"{scope['path']}/".startswith(f"{one}/"):
                    scope["path"] = scope["path"][len(one) :] or "/"
                    scope["raw_path"] = scope["raw_path"].removeprefix(one.encode())
                    break
        await self._inside(scope, receive, send)

    def _read_header(self, scope: HTTPScope) -> str | None:
        client = scope["client"]
        if client is None or not self._is_trusted(client[0]):
            return None
        values = [value for name, value in scope["headers"] if name == _HEADER]
        prefix = values[0].decode("latin-1").rstrip("/") if len(values) == 1 else ""
        return prefix if PREFIX.fullmatch(prefix) else None


def find_prefix(scope: HTTPScope) -> str:
    """Return the prefix that links need in an answer to this request; none is empty."""
    return str(scope.get(_KEY, ""))


def _is_in(networks: Iterable[IPv4Network | IPv6Network], host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # An address of another family is in none.
    return any(address in network for network in networks)
