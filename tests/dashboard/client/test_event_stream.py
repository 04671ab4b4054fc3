import pytest

from dashboard.client.event_stream import EventParser, ServerEvent, StreamOverflow

STREAM = (
    b": hello\r\n\r\n"
    b'event: top\r\ndata: {"a":1}\r\n\r\n'
    b"data: one\ndata: two\n\n" + 'event: top\ndata: {"name":"line\u2028next\u0085"}\n\n'.encode()
)

EVENTS = [
    ServerEvent("", b""),
    ServerEvent("top", b'{"a":1}'),
    ServerEvent("message", b"one\ntwo"),
    ServerEvent("top", '{"name":"line\u2028next\u0085"}'.encode()),
]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_events_are_the_same_however_the_bytes_arrive(size: int) -> None:
    parser = EventParser()
    events = []
    for start in range(0, len(STREAM), size):
        events.extend(parser.feed(STREAM[start : start + size]))
    assert events == EVENTS


def test_a_line_without_end_is_not_a_stream() -> None:
    parser = EventParser()
    with pytest.raises(StreamOverflow):
        parser.feed(b"x" * (16 * 1024 * 1024 + 1))


def test_an_event_without_end_is_not_a_stream() -> None:
    parser = EventParser()
    line = b"data: " + b"x" * 10_000 + b"\n"
    with pytest.raises(StreamOverflow):
        parser.feed(line * 1_700)
