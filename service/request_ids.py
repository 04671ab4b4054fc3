"""The id of the request that is being answered, from its header to the actor that it woke.

The task that answers the request has it, and whatever that task starts: the commit, and the wake-up
after it. A commit of many requests has the id of the one that waited longest.
"""

import itertools
import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)

REQUEST_ID_HEADER: Final = b"x-request-id"

MESSAGE_OPTION: Final = "request_id"
"""The option of an actor's message that carries it."""

# What can stand in a log line and in a header as it is; anything else gets an id of ours.
_SANE: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestIdSource:
    """Gives each request its id: the one that it came with, or a new one."""

    def __init__(self) -> None:
        # Two processes, or one that starts again, differ in the first half.
        self._prefix = secrets.token_hex(5).encode()
        self._numbers = itertools.count(1)

    def choose(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the id of the request with these headers."""
        found = [value for name, value in headers if name == REQUEST_ID_HEADER]
        if len(found) == 1 and _SANE.fullmatch(found[0]):
            return found[0]
        return b"%s-%x" % (self._prefix, next(self._numbers))
