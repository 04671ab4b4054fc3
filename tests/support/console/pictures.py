"""What is to be looked at, picture by picture: every screen in every state, and every dialog."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

from dashboard.client.rights import Rights
from dashboard.configuration.file import Configuration, Profile
from dashboard.configuration.preferences import Preferences
from tests.support.console import scenes, simulating
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import choose_board, drive_busy_boards, drive_laps, set_lap
from tests.support.console.moderating import LOG, make_peer
from tests.support.console.operating import Operator, look_up, open_console
from tests.support.console.service_peer import URL, ServicePeer, fill, make_mover, make_movers
from tests.support.console.waits import make_waits

Show = Callable[[tuple[int, int]], AbstractAsyncContextManager[Operator]]
_Play = Callable[[Operator], Awaitable[None]]


@asynccontextmanager
async def _watch(
    make: Callable[[], ServicePeer], play: _Play, size: tuple[int, int]
) -> AsyncIterator[Operator]:
    async with open_console(make(), size) as operator:
        await operator.pass_time(1.0)
        await play(operator)
        yield operator


@asynccontextmanager
async def _simulate(scene: simulating.Scene, size: tuple[int, int]) -> AsyncIterator[Operator]:
    async with simulating.open_simulate(size=size) as simulated:
        await scene(simulated)
        yield simulated.operator


@asynccontextmanager
async def read_only(size: tuple[int, int]) -> AsyncIterator[Operator]:
    """A profile that only looks, on Player, where much is refused then."""
    profile = Profile("prod", URL, colour="ansi_bright_red")
    preferences = Preferences(Configuration(), profile)
    rights = Rights.of_reader(simulating.REASON)
    async with open_console(make_peer(), size, preferences=preferences, rights=rights) as operator:
        await operator.pass_time(1.0)
        await look_up(operator, "2")
        await operator.press("v")
        yield operator


def make_small() -> ServicePeer:
    return ServicePeer(FrozenClock())


def make_large() -> ServicePeer:
    """A board of which a part is listed, and who moves on all of it."""
    peer = fill(5_000)
    peer.movers = make_movers(
        "11:59:00",
        make_mover(4_321, 4_309, "climber"),
        make_mover(88, -2_119, "fallen hero with a long name"),
        make_mover(7, 1_205, "a"),
        make_mover(1_500, 10, "dora"),
        make_mover(9, -9, "eve"),
    )
    return peer


def make_slow() -> ServicePeer:
    peer = make_small()
    holder = {"pid": 42, "process": "[/x] psql", "state": "idle in transaction", "seconds": 61.0}
    lock = {"pid": 7, "process": "leaderboard api ledger", "lock": "table game_session"}
    lock |= {"seconds": 3.0, "held_by": [holder]}
    peer.answers["/api/ops/waits"] = make_waits(locks=[lock], under_way_ms=3_000.0)
    return peer


def make_log() -> ServicePeer:
    peer = make_peer()
    peer.answers["/api/moderation"] = {"entries": LOG, "next": 9}
    return peer


def press(*keys: str) -> _Play:
    """Press keys, on Live."""

    async def play(operator: Operator) -> None:
        await operator.press(*keys)
        await operator.pass_time(2.2)

    return play


def press_on_player(*keys: str, then: str = "") -> _Play:
    """Look player 2 up, and press keys there; `then` something is typed."""

    async def play(operator: Operator) -> None:
        await look_up(operator, "2")
        await operator.press(*keys)
        if then:
            await operator.type(then)
            await operator.press("enter")

    return play


def choose(wanted: str, season: str = "", *keys: str) -> _Play:
    """Choose a board and a season, and press keys there."""

    async def play(operator: Operator) -> None:
        await choose_board(operator, wanted, season)
        await operator.pass_time(6.0)
        if season:
            await operator.press(*keys)
            return
        set_lap(operator, 1, 93_044)
        await operator.pass_time(0.8)
        await operator.press(*keys)

    return play


async def find(operator: Operator) -> None:
    """Find what an `a` may mean."""
    await operator.press("slash", "a")
    await operator.pass_time(1.0)


async def list_seasons(operator: Operator) -> None:
    """List the seasons of a board."""
    await operator.press("b")
    await operator.type("wlaps")
    await operator.press("enter")


async def revoke(operator: Operator) -> None:
    """Look at what revoking two sessions would change."""
    await press_on_player("v", "space", "down", "space", "enter")(operator)


_DIALOGS: Final[dict[str, tuple[Callable[[], ServicePeer], _Play]]] = {
    "live_large": (make_large, press("down")),
    "live_sorted": (make_large, press("o")),
    "live_followed": (make_large, press("down", "f")),
    "live_board": (drive_laps, choose("laps")),
    "live_final": (drive_laps, choose("laps", "6")),
    "live_board_filling": (drive_laps, choose("new-cup", " ")),
    "live_maximised": (make_large, press("m")),
    "player_final": (drive_laps, choose("laps", "6", "down", "enter")),
    "player_maximised": (make_small, press_on_player("tab", "tab", "m")),
    "health_alarm": (make_slow, press("4")),
    "boards": (drive_laps, press("b")),
    "boards_busy": (drive_busy_boards, press("b")),
    "boards_seasons": (drive_laps, list_seasons),
    "finder_empty": (drive_laps, press("slash")),
    "finder": (drive_laps, find),
    "finder_nobody": (drive_laps, press("slash", "z", "z", "z")),
    "columns": (make_small, press("C")),
    "go_to_rank": (make_large, press("g")),
    "export": (make_large, press("e")),
    "keys_live": (make_small, press("question_mark")),
    "keys_player": (make_small, press("2", "escape", "question_mark")),
    "keys_simulate": (make_small, press("3", "question_mark")),
    "keys_health": (make_small, press("4", "question_mark")),
    "palette": (make_small, press("ctrl+p")),
    "slow": (make_slow, press("W")),
    "slow_refused": (make_small, press("W")),
    "explain": (make_peer, press_on_player("w")),
    "moderation_log": (make_log, press("L")),
    "moderate_sessions": (make_peer, press_on_player("v", "space", "down", "space")),
    "moderate_preview": (make_peer, revoke),
    "moderate_state": (make_peer, press_on_player("t")),
    "moderate_rename": (make_peer, press_on_player("n")),
    "moderate_rename_preview": (make_peer, press_on_player("n", then="hopper")),
    "moderate_delete": (make_peer, press_on_player("D")),
    "moderate_delete_preview": (make_peer, press_on_player("D", then="keep")),
    "moderate_correct": (drive_laps, choose("laps", "6", "down", "enter", "C")),
}

PICTURES: Final[dict[str, Show]] = {
    **{scene.__name__: partial(scenes.play, scene) for scene in scenes.SCENES},
    **{scene.__name__: partial(_simulate, scene) for scene in simulating.SCENES},
    **{name: partial(_watch, *dialog) for name, dialog in _DIALOGS.items()},
    "read_only": read_only,
}
