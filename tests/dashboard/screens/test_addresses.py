"""A console that begins where a link leads, and knows the link to where it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dashboard.app import Console
from dashboard.client.gateway import BoardSeason
from dashboard.navigation import AddressWanted
from dashboard.state.address import Address, read_address
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, open_console


class Told(list[str]):
    """The addresses that a browser was told."""

    def note(self, url: str, *, new_tab: bool = True) -> None:
        assert not new_tab
        self.append(url)


@asynccontextmanager
async def browse(monkeypatch: Any, path: str) -> AsyncIterator[tuple[Operator, Told]]:
    told = Told()
    monkeypatch.setattr(Console, "is_web", True)
    async with open_console(drive_laps(), start=read_address(path)) as operator:
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
            "/live?board=weekly-laps",
            "/player?board=weekly-laps",
            "/player/4?board=weekly-laps",
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
