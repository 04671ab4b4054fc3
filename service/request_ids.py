"""The id of the request that is being answered, from its header to the actor that it woke.

The task that answers the request has it, and whatever that task starts: the commit, and the wake-up
after it. A commit of many requests has the id of the one that waited longest.
"""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)

MESSAGE_OPTION: Final = "request_id"
"""The option of an actor's message that carries it."""
