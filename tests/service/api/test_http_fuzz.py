"""A short run of the fuzz of raw requests; `tests.support.http_fuzz` runs it for hours."""

from tests.support.http_fuzz import fuzz

CONNECTIONS = 400


async def test_right_requests_are_answered_once_and_wrong_ones_refused(live: str) -> None:
    lines: list[str] = []
    statuses = await fuzz(live, 1, lambda tried: tried < CONNECTIONS, lines.append)
    # Of everything some, or it tries less than it says.
    assert {200, 400, 404, 405, 501} <= statuses.keys(), lines
