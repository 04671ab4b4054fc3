"""The id of the request that is being answered, from its header to the actor that it woke.

It belongs to the task that answers the request, and to what that task starts: the commit, and the
wake-up after it. A commit of many has the id of the one that began it.
"""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)

MESSAGE_OPTION: Final = "request_id"
"""Where a message to an actor carries it, among its options."""
