"""The listening socket of the API, which outlives each of the processes that accept on it."""

import errno
import ipaddress
import socket
from typing import Final

from service.errors import UsageError

_BACKLOG: Final = 2048
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def bind_listener(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """Return a socket that listens on `host` and `port`; port 0 takes any free one.

    Raises `UsageError`, which says what prevents it and which `option` chooses another port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host} is not an address of this machine") from error
    try:
        # Connections of an instance that has just ended may still be closing on this port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(_explain(error, host, port, option)) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Return whether only this machine can reach a listener."""
    host = str(listener.getsockname()[0])
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def find_url(listener: socket.socket) -> str:
    """Return a URL that a browser on this machine can open."""
    host, port = listener.getsockname()[:2]
    host = _WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _explain(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken; stop the other program or choose {option}"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is reserved for root; choose a {option} of 1024 or more"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this machine"
    return f"cannot listen on port {port} of {host}: {error.strerror}"
