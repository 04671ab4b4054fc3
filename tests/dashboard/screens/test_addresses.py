"""A console that begins where a link leads, and knows the link to where it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dashboard.app import Console
from dashboard.client.gateway import BoardSeason
from dashboard.navigation import AddressWanted
from dashboard.runs.desk import RunDesk
from dashboard.state.address import Address, read_address
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, open_console
from tests.support.console.simulating import FakeSubmitter, Runs, make_ended_report, make_report


class Told(list[str]):
    """The addresses that a browser was told."""

    def note(self, url: str, *, new_tab: bool = True) -> None:
        assert not new_tab
        self.append(url)


@asynccontextmanager
async def browse(
    monkeypatch: Any, path: str, desk: RunDesk | None = None
) -> AsyncIterator[tuple[Operator, Told]]:
    told = Told()
    monkeypatch.setattr(Console, "is_web", True)
    async with open_console(drive_laps(), start=read_address(path), desk=desk) as operator:
        monkeypatch.setattr(operator.console, "open_url", told.note)
        await operator.pass_time(1.0)
        yield operator, told


async def test_a_link_opens_its_player_on_its_board_and_season() -> None:
    start = Address("player", "4", BoardSeason("weekly-laps", 6))
    async with open_console(drive_laps(), start=start) as operator:
        await operator.pass_time(1.0)
        assert " final " in operator.notice
        assert "barbara" in operator.screen_text
        assert "Weekly laps, season 6 FINAL" in operator.screen_text


async def test_a_link_without_a_player_lets_one_be_typed() -> None:
    async with open_console(drive_laps(), start=Address("player")) as operator:
        await operator.type("ada")
        await operator.press("enter")
        assert "ada" in operator.read("#first .head")


async def go(operator: Operator, path: str) -> None:
    operator.console.post_message(AddressWanted(read_address(path)))
    await operator.pass_time(1.0)


async def test_every_move_is_an_address(monkeypatch: Any) -> None:
    async with browse(monkeypatch, "/health") as (operator, told):
        await operator.press("1")
        await choose_board(operator, "laps")
        await operator.press("2")
        await operator.type("barbara")
        await operator.press("enter")
        await choose_board(operator, "laps", "6")
        await operator.press("3")
        assert told == [
            "/health",
            "/live",
            "/live?open=boards",
            "/live?board=weekly-laps",
            "/player?board=weekly-laps",
            "/player/4?board=weekly-laps",
            "/player/4?board=weekly-laps&open=boards",
            "/player/4?board=weekly-laps&season=6",
            "/simulate?board=weekly-laps&season=6",
        ]


async def test_going_back_shows_what_was_shown(monkeypatch: Any) -> None:
    async with browse(monkeypatch, "/player/1") as (operator, told):
        assert "ada" in operator.read("#first .head")
        operator.console.post_message(AddressWanted(read_address("/player?board=weekly-laps")))
        await operator.pass_time(1.0)
        assert "Type a player's id" in operator.notice
        operator.console.post_message(AddressWanted(read_address("/live")))
        await operator.pass_time(1.0)
        operator.console.post_message(AddressWanted(read_address("/player/1")))
        await operator.pass_time(1.0)
        assert "ada" in operator.read("#first .head")
        assert told == ["/player/1", "/player?board=weekly-laps", "/live", "/player/1"]


async def test_who_is_not_there_keeps_the_address(monkeypatch: Any) -> None:
    async with browse(monkeypatch, "/player/nobody") as (operator, told):
        assert "Not found: no player has the id or name" in operator.notice
        assert told == ["/player/nobody"]


async def test_a_board_that_is_not_there_is_named(monkeypatch: Any) -> None:
    async with browse(monkeypatch, "/live?board=no-such") as (operator, told):
        assert "no-such" in operator.screen_text
        assert " error " in operator.notice
        assert told == ["/live?board=no-such"]


async def test_two_who_are_compared_have_an_address(monkeypatch: Any) -> None:
    path = "/player/1?compare=2&board=weekly-laps"
    async with browse(monkeypatch, path) as (operator, told):
        assert "ahead of" in operator.read("#comparison")
        await operator.press("c")
        await operator.press("c")
        await operator.type("barbara")
        await operator.press("enter")
        assert told == [
            path,
            "/player/1?board=weekly-laps",
            "/player/1?compare=4&board=weekly-laps",
        ]
        await go(operator, "/player/1?board=weekly-laps")
        assert "ahead of" not in operator.screen_text
        await go(operator, "/player/2?compare=grace")
        assert "Both are the same player" in operator.read("#comparison")
        await go(operator, "/player/2?compare=nobody")
        assert "No player has the id or name" in operator.read("#comparison")
        assert told[-1] == "/player/2?compare=nobody"


@pytest.mark.parametrize(
    ("key", "path", "title"),
    [
        ("b", "/live?open=boards", "Boards"),
        ("W", "/live?open=slow", "Why is it slow"),
        ("L", "/live?open=log", "Moderation log"),
        # By the board's cursor, on the page of the player.
        ("w", "/player/1?open=why", "Why player 1"),
    ],
)
async def test_an_open_dialog_has_an_address_and_the_way_back_closes_it(
    monkeypatch: Any, key: str, path: str, title: str
) -> None:
    async with browse(monkeypatch, "/live") as (operator, told):
        await operator.press(key)
        assert title in operator.screen_text
        await go(operator, "/live")
        assert len(operator.console.screen_stack) == 1
        assert told == ["/live", path, "/live"]
        await go(operator, path)
        assert title in operator.screen_text
        assert told[-1] == path
        # As with the way back to what lies under another one.
        await go(operator, path)
        assert len(operator.console.screen_stack) == 2
        await operator.press("escape")
        await operator.pass_time()
        assert told[-1] == path.partition("?")[0]


async def test_a_question_in_between_keeps_the_address(monkeypatch: Any) -> None:
    async with browse(monkeypatch, "/live") as (operator, told):
        await operator.press("slash")
        await operator.type("ada")
        await operator.press("escape", "question_mark", "escape")
        assert told == ["/live"]


async def test_a_run_has_an_address(monkeypatch: Any) -> None:
    runs = Runs()
    runs.show(make_ended_report(), alive=False, ended=True)
    desk = RunDesk(runs, FakeSubmitter(), FrozenClock())
    async with browse(monkeypatch, "/simulate/cafe00", desk) as (operator, told):
        assert "The run has ended" in operator.notice
        await operator.press("n")
        assert "No run goes on" in operator.notice
        await go(operator, "/simulate/cafe00")
        assert "The run has ended" in operator.notice
        await go(operator, "/simulate")
        assert "No run goes on" in operator.notice
        await go(operator, "/simulate/beef00")
        assert operator.toasts[-1] == "No run beef00 has left a trace here."
        assert told == [
            "/simulate/cafe00",
            "/simulate",
            "/simulate/cafe00",
            "/simulate",
            "/simulate",
        ]


async def test_a_run_that_goes_on_is_shown_whatever_the_address(monkeypatch: Any) -> None:
    runs = Runs()
    runs.show(make_report())
    desk = RunDesk(runs, FakeSubmitter(), FrozenClock())
    async with browse(monkeypatch, "/simulate", desk) as (operator, told):
        await go(operator, "/live")
        await go(operator, "/simulate")
        # The page gives its place in the history this address: it does not lead away for ever.
        assert told == ["/simulate/cafe00", "/live", "/simulate/cafe00"]
