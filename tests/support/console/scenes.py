"""Every screen in every state, as an operator comes to see it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx

from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, open_console
from tests.support.console.service_peer import ServicePeer

Scene = Callable[[Operator], Awaitable[None]]


def begin_without_answers(peer: ServicePeer) -> None:
    """The stream says nothing yet, the board does not come, and everything else is refused."""
    peer.silent = peer.hanging = True

    def refuse(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith(("/stream", "/page")):
            return None
        return httpx.Response(503, json={"error": "Ask again.", "code": "starting"})

    peer.fail = refuse


def begin_without_service(peer: ServicePeer) -> None:
    peer.go_away()


def begin_without_players(peer: ServicePeer) -> None:
    peer.scores = []


async def live_loading(operator: Operator) -> None:
    await operator.pass_time()


async def live_unreachable(operator: Operator) -> None:
    await operator.pass_time(1.0)


async def live_empty(operator: Operator) -> None:
    await operator.pass_time()


async def live(operator: Operator) -> None:
    await operator.pass_time()
    operator.peer.add_score(5, 5_000)
    operator.peer.add_score(7, 20)
    operator.peer.scores.append((10, "newcomer", 5_100))
    operator.peer.publish()
    await operator.pass_time(6.0)
    operator.peer.add_score(2, 1)
    await operator.pass_time(2.4)


async def live_stale(operator: Operator) -> None:
    await live(operator)
    operator.peer.away = {"redis", "worker", "scheduler", "index"}
    operator.peer.stale = True
    await operator.pass_time(9.0)


async def live_disconnected(operator: Operator) -> None:
    await live(operator)
    operator.peer.go_away()
    await operator.pass_time(9.0)


async def live_error(operator: Operator) -> None:
    await live(operator)
    operator.peer.refuse(500, "internal_error", "Something unexpected went wrong here.")
    operator.peer.close_streams()
    await operator.pass_time(3.0)


async def live_paused(operator: Operator) -> None:
    await live(operator)
    await operator.press("space")
    operator.peer.add_score(9, 50_000)
    await operator.pass_time(1.0)


async def live_filtered(operator: Operator) -> None:
    await live(operator)
    await operator.press("F")
    await operator.type("ar")


async def player_idle(operator: Operator) -> None:
    await operator.pass_time()
    await operator.press("2")


async def player_searching(operator: Operator) -> None:
    await player_idle(operator)
    await operator.type("4")


async def player_found(operator: Operator) -> None:
    await player_idle(operator)
    await operator.type("donald")
    await operator.press("enter")
    for points in (900, 3_000, 0, 400):
        operator.peer.add_score(5, points)
        await operator.pass_time(2.0)


async def player_not_found(operator: Operator) -> None:
    await player_idle(operator)
    await operator.type("4711")
    await operator.press("enter")


async def player_unplayed(operator: Operator) -> None:
    await player_idle(operator)
    await operator.type("newcomer")
    await operator.press("enter")


async def player_error(operator: Operator) -> None:
    await player_idle(operator)
    operator.peer.refuse(500, "internal_error", "Something unexpected went wrong here.", "/players")
    await operator.type("5")
    await operator.press("enter")


async def player_stale(operator: Operator) -> None:
    await player_found(operator)
    operator.peer.away = {"worker"}
    await operator.pass_time(6.0)


async def player_disconnected(operator: Operator) -> None:
    await player_found(operator)
    operator.peer.go_away()
    await operator.pass_time(6.0)


async def player_paused(operator: Operator) -> None:
    await player_found(operator)
    await operator.press("space")
    await operator.pass_time(4.0)


async def player_compared(operator: Operator) -> None:
    await player_found(operator)
    await operator.press("c")
    await operator.type("ada")
    await operator.press("enter")


async def health_refused(operator: Operator) -> None:
    await operator.press("4")
    await operator.pass_time(2.0)


async def health_unreachable(operator: Operator) -> None:
    await operator.press("4")


async def health(operator: Operator) -> None:
    await operator.pass_time()
    await operator.press("4")
    for sessions in (40, 80, 20):
        operator.peer.highest_session_id += sessions
        counts = operator.peer.shown_sessions or []
        operator.peer.shown_sessions = [
            count + more for count, more in zip(counts, (sessions, 5, 1, 0), strict=True)
        ]
        await operator.pass_time(2.0)
    operator.peer.api_pid = operator.peer.start_process(4_101)
    await operator.pass_time(2.0)


async def health_part_away(operator: Operator) -> None:
    await health(operator)
    operator.peer.away = {"redis", "worker", "scheduler", "index"}
    await operator.pass_time(4.0)


async def health_error(operator: Operator) -> None:
    await health(operator)
    operator.peer.refuse(500, "internal_error", "Something went wrong.", "/ops/status")
    await operator.pass_time(4.0)


async def health_disconnected(operator: Operator) -> None:
    await health(operator)
    operator.peer.go_away()
    await operator.pass_time(4.0)


async def health_paused(operator: Operator) -> None:
    await health(operator)
    await operator.press("space")
    await operator.pass_time(4.0)


async def health_filtered(operator: Operator) -> None:
    await health_part_away(operator)
    await operator.press("F")
    await operator.type("bad")


BEGINNINGS: dict[Scene, Callable[[ServicePeer], None]] = {
    live_loading: begin_without_answers,
    live_unreachable: begin_without_service,
    live_empty: begin_without_players,
    health_refused: begin_without_answers,
    health_unreachable: begin_without_service,
}

SCENES: tuple[Scene, ...] = (
    live_loading,
    live_unreachable,
    live_empty,
    live,
    live_stale,
    live_disconnected,
    live_error,
    live_paused,
    live_filtered,
    player_idle,
    player_searching,
    player_found,
    player_not_found,
    player_unplayed,
    player_error,
    player_stale,
    player_disconnected,
    player_paused,
    player_compared,
    health_refused,
    health_unreachable,
    health,
    health_part_away,
    health_error,
    health_disconnected,
    health_paused,
    health_filtered,
)


@asynccontextmanager
async def play(scene: Scene, size: tuple[int, int]) -> AsyncIterator[Operator]:
    """Bring a console into a state."""
    peer = ServicePeer(FrozenClock())
    if scene in BEGINNINGS:
        BEGINNINGS[scene](peer)
    async with open_console(peer, size) as operator:
        await scene(operator)
        yield operator
