"""The circuit breaker: whatever goes wrong, readers reach Redis again."""

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


async def test_circuit_does_not_stay_open_after_an_unexpected_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("service.backends.circuit_breaker._PROBE_INTERVAL_SECONDS", 0.01)
    breaker = Breaker(cast("Redis", Surprising()))

    def is_closed() -> bool:
        try:
            with breaker.guard():
                return True
        except CacheUnavailable:
            return False

    with pytest.raises(CacheTimedOut), breaker.guard():
        raise CacheTimedOut("it hangs")
    assert not is_closed()
    await wait_until(is_closed)
    await breaker.stop()
