"""Submits without an answer: what a second answer says of the first."""

import asyncio
from collections.abc import Iterable

import httpx
import pytest

from dashboard.simulation.client.requests import Failure
from dashboard.simulation.resubmission import resubmit_unknown
from dashboard.simulation.workload.plan import PlannedRequest, RequestKind

SUBMIT = PlannedRequest(0, 0.0, RequestKind.SUBMIT, player=0, score=10, game_mode="solo")
NO_SUCH_PLAYER = Failure("user_not_found", "404", maybe_written=False, has_latency=True)
UNAVAILABLE = Failure("database_unavailable", "503", maybe_written=True, has_latency=True)


@pytest.mark.parametrize(
    ("answers", "session_id"),
    [
        ([7], 7),
        ([NO_SUCH_PLAYER], None),
        # Neither tells whether the first one was written: it is sent again until something does.
        ([UNAVAILABLE, 7], 7),
        ([httpx.ConnectError("refused"), 7], 7),
        ([httpx.ReadError("reset"), NO_SUCH_PLAYER], None),
    ],
)
async def test_a_submit_is_sent_again_until_its_fate_is_known(
    answers: Iterable[int | Failure | Exception], session_id: int | None
) -> None:
    left = iter(answers)

    async def send(_: PlannedRequest) -> int | Failure | None:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    recorded: list[int | None] = []
    async with asyncio.timeout(10.0):
        await resubmit_unknown([SUBMIT], send, recorded.append, patience_seconds=60.0)
    assert recorded == [session_id]
    assert next(left, None) is None
