"""Checks what is set about proxies and browsers: prefix, networks, origins.

Each check returns the value in one form, or raises a `ValueError` that says what is allowed.
"""

import re
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")

_PREFIX_FORM: Final = "the path that a proxy has in front, such as /lb"
_NETWORKS_FORM: Final = "addresses or networks with commas between, such as 10.0.0.5,192.168.0.0/24"
_ORIGINS_FORM: Final = (
    "`*`, or origins with commas between, such as https://game.example,http://localhost:5173"
)


def check_prefix(text: str) -> str:
    """Check a path that is in front of all others, and return it without a slash at its end."""
    prefix = text.strip().rstrip("/")
    if prefix and (not PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise ValueError(_PREFIX_FORM)
    return prefix


def check_networks(text: str) -> str:
    """Check a list of networks."""
    try:
        return ",".join(str(ip_network(part.strip())) for part in _split(text))
    except ValueError as error:
        raise ValueError(_NETWORKS_FORM) from error


def check_origins(text: str) -> str:
    """Check a list of origins, as browsers send them: without a path, in small letters."""
    origins = [part.lower() for part in _split(text)]
    if origins != ["*"] and not all(map(_is_origin, origins)):
        raise ValueError(_ORIGINS_FORM)
    return ",".join(origins)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        has_port
        and parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and text == f"{parts.scheme}://{parts.netloc}"
    )
