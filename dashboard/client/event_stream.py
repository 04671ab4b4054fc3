"""Server-sent events from bytes, by the rules of the HTML standard that the service uses."""

from typing import NamedTuple

_MOST_BYTES = 16 * 1024 * 1024


class StreamOverflow(Exception):
    """A line or an event is too long to be one."""


class ServerEvent(NamedTuple):
    """One event; a comment has the name "" and no data."""

    name: str
    data: bytes


class EventParser:
    """Cuts a stream into events.

    Only CR and LF end a line. `str.splitlines` (and httpx's `aiter_lines`) would also cut at U+2028
    or U+0085, which a player's name may contain.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes. Raises `StreamOverflow`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events = []
        for line in lines:
            event = self._take_line(line.removesuffix(b"\r"))
            if event is not None:
                events.append(event)
        if self._size + len(self._rest) > _MOST_BYTES:
            raise StreamOverflow
        return events

    def _take_line(self, line: bytes) -> ServerEvent | None:
        if line.startswith(b":"):
            return ServerEvent("", b"")
        if line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
                self._size += len(value) + 1
            elif field == b"event":
                self._name = value.decode(errors="replace")
            return None
        if not self._data:
            return None
        event = ServerEvent(self._name or "message", b"\n".join(self._data))
        self._name, self._data, self._size = "", [], 0
        return event
