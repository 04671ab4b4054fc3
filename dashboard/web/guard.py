"""Who may talk to the console's web server."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

_HEADERS: Final = {
    # Styles in elements are how the terminal of textual-serve draws.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses pages of other sites, which may open a websocket here unless the server checks.

    A name that the operator did not give is refused as a host too. Otherwise a site could point
    its own name here and be of the same origin. An address cannot be pointed elsewhere.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {"localhost", *(name.lower() for name in names)}

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 403 to requests from elsewhere, and 405 to what a browser never sends here."""
        if request.method not in {"GET", "HEAD"}:
            refusal = web.Response(status=405, text="refused: this page is only read\n")
            refusal.headers["Allow"] = "GET, HEAD"
            # What follows a CONNECT would be taken for requests of this connection.
            refusal.force_close()
            return refusal
        hosts, origins = request.headers.getall("Host", []), request.headers.getall("Origin", [])
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return _refuse("unknown host: name it with --allow-host if it is yours")
        if not all(_is_of(origin, hosts[0]) for origin in origins):
            return _refuse("foreign origin")
        return await handler(request)

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers to load nothing from elsewhere and to show the page in no other."""
    response.headers.update(_HEADERS)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_of(origin: str, host: str) -> bool:
    # The scheme is not compared: a proxy in front may speak TLS.
    scheme, _, rest = origin.partition("://")
    return scheme in {"http", "https"} and rest.lower() == host.lower()


def _refuse(reason: str) -> web.Response:
    return web.Response(status=403, text=f"refused: {reason}\n")
