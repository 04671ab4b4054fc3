"""The breaker: whatever goes wrong, it lets readers ask again."""

from typing import cast

import pytest
from redis.asyncio import Redis

from service.backends.circuit_breaker import Breaker
from service.errors import CacheTimedOut, CacheUnavailable
from tests.support.waiting import wait_until


class Surprising:
    """A client that raises what no client should."""

    async def ping(self) -> None:
        raise ValueError("nobody expects this")


async def test_breaker_whose_question_fails_keeps_nobody_off_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.backends.circuit_breaker._REST_SECONDS", 0.01)
    breaker = Breaker(cast("Redis", Surprising()))

    def may_ask() -> bool:
        try:
            with breaker.guard():
                return True
        except CacheUnavailable:
            return False

    with pytest.raises(CacheTimedOut), breaker.guard():
        raise CacheTimedOut("it hangs")
    assert not may_ask()
    await wait_until(may_ask)
    await breaker.stop()
