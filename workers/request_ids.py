"""Which request an actor works for."""

from typing import Any

from dramatiq import Broker, Message, Middleware
from dramatiq.broker import MessageProxy

from service.request_ids import MESSAGE_OPTION, request_id


class RequestIdsOfMessages(Middleware):
    """Has an actor's log lines name the request that woke it, and what it sends carry that on.

    The coroutine of an actor begins in the context of the thread that took the message.
    """

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Take the id from the message, or forget that of the last one."""
        request_id.set(message.options.get(MESSAGE_OPTION))

    def before_enqueue(self, broker: Broker, message: "Message[Any]", delay: int | None) -> None:
        """Give the id on."""
        found = request_id.get()
        if found is not None:
            message.options.setdefault(MESSAGE_OPTION, found)
