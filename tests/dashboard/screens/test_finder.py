"""One field that finds whatever is named, from anywhere."""

import asyncio

import pytest
from textual.command import CommandPalette

from dashboard.screens.finder import FinderScreen
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import drive_laps
from tests.support.console.operating import (
    Operator,
    PatientConsole,
    find_board,
    open_console,
    watch_live,
)
from tests.support.console.service_peer import ServicePeer, fill
from tests.support.console.simulating import make_ended_report, open_simulate
from tests.support.console.snapshots import check_snapshots
from tests.support.waiting import wait_until

MODES = ("live", "player", "simulate", "health")


def is_finder(operator: Operator) -> bool:
    return isinstance(operator.console.screen, FinderScreen)


async def find(operator: Operator, wanted: str) -> None:
    await operator.press("slash")
    await operator.type(wanted)
    await operator.pass_time(0.4)


@pytest.mark.parametrize("mode", MODES)
async def test_finds_from_every_screen_and_digits_in_it_go_nowhere(mode: str) -> None:
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, mode=mode) as operator:
        await operator.pass_time()
        await operator.press("slash", *"1234")
        assert is_finder(operator)
        assert operator.console.current_mode == mode
        assert operator.read_field("FinderScreen Input") == "1234"
        await operator.press("escape")
        assert not is_finder(operator)


async def test_a_part_of_a_name_lists_players_and_goes_to_the_one_chosen() -> None:
    async with watch_live() as operator:
        await find(operator, "AR")
        assert "player  barbara" in operator.screen_text
        assert "player  margaret" in operator.screen_text
        await operator.press("down", "enter")
        assert "margaret  id 9" in operator.screen_text
        # The finder is closed: digits lead to screens, as everywhere.
        assert "4 Health" in operator.read("#tabs")
        await operator.press("4")
        assert operator.console.current_mode == "health"


async def test_enter_waits_for_the_answer() -> None:
    async with watch_live() as operator:
        await operator.press_together("slash", *"grace", "enter", "y")
        assert "grace  id 2" in operator.screen_text
        assert operator.console.clipboard.startswith("2\t2\tgrace")


async def test_the_finder_lives_on_while_enter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = ServicePeer(FrozenClock())
    async with watch_live(peer) as operator:

        def count(wanted: str) -> int:
            return sum(f"name={wanted}&" in path for path in peer.requests)

        async def is_asked_by_itself() -> bool:
            await operator.pass_time(0.4)
            return count("grace") == 1

        peer.players_held = asyncio.Event()
        try:
            await find(operator, "grac")
            # Keys behind the enter are taken before it has acted.
            monkeypatch.setattr(PatientConsole, "LONGEST_WAIT_SECONDS", 0.01)
            operator.send_key("enter")
            await wait_until(lambda: count("grac") == 2)
            operator.send_key("e")
            await wait_until(is_asked_by_itself)
            operator.send_key("enter")
            await wait_until(lambda: count("grace") == 2)
            await operator.pass_time(5.0)
            assert "… asking for players" in operator.screen_text
        finally:
            peer.players_held.set()
        await operator.pass_time(1.0)
        assert "grace  id 2" in operator.screen_text


async def test_an_id_an_external_id_and_a_whole_name_come_first() -> None:
    peer = ServicePeer(FrozenClock())
    peer.external_ids["steam:4"] = 6
    peer.scores.append((10, "4", 3))
    async with watch_live(peer) as operator:
        await find(operator, "4")
        first, second, *_ = [
            line for line in operator.screen_text.splitlines() if "│ player" in line
        ]
        assert "barbara" in first
        assert "by id" in first
        assert "id 10" in second
        await operator.press("escape")
        await find(operator, "steam:4")
        await operator.press("enter")
        assert "alan  id 6" in operator.screen_text


async def test_a_rank_is_gone_to_on_the_board() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("4")
        await find(operator, "#4000")
        assert "rank    4,000" in operator.screen_text
        await operator.press("enter")
        await operator.pass_time(1.0)
        assert operator.console.current_mode == "live"
        line = find_board(operator).read_selected()
        assert line is not None
        assert line.rank == 4_000


async def test_a_board_and_its_seasons() -> None:
    async with watch_live(drive_laps()) as operator:
        await find(operator, "laps")
        await operator.press("enter")
        await operator.pass_time(1.0)
        assert "season 7" in operator.read("#status")
        await find(operator, "season 6")
        await operator.press("enter")
        await operator.pass_time(1.0)
        assert "season 6 FINAL" in operator.read("#status")
        await find(operator, "weekly current")
        await operator.press("enter")
        await operator.pass_time(1.0)
        assert "season 7" in operator.read("#status")


async def test_a_run_is_shown_again() -> None:
    async with open_simulate() as simulating:
        operator = simulating.operator
        simulating.runs.show(make_ended_report(), alive=False, ended=True)
        await operator.press("f1")
        await find(operator, "run")
        (line,) = [line for line in operator.screen_text.splitlines() if "run     cafe00" in line]
        # By its id nobody knows it: what tells it from others is when it was begun.
        assert "2026-11-23 12:00, has ended" in line
        while "has ended" not in selected(operator):
            await operator.press("down")
        await operator.press("enter")
        assert operator.console.current_mode == "simulate"
        assert "The run has ended" in operator.notice


def selected(operator: Operator) -> str:
    screen = operator.console.screen
    assert isinstance(screen, FinderScreen)
    row = screen.options.highlighted
    return "" if row is None else str(screen.options.get_option_at_index(row).prompt)


async def test_a_colon_lists_actions_and_does_the_one_chosen() -> None:
    async with watch_live() as operator:
        await operator.press("colon")
        assert operator.read_field("FinderScreen Input") == ":"
        await operator.type("paus")
        asked = len([path for path in operator.peer.requests if "name=" in path])
        assert asked == 0
        await operator.press("enter")
        assert operator.console.state.paused
        await operator.press("slash", *"resume", "enter")
        assert not operator.console.state.paused


async def test_nobody_and_an_error_are_two_things() -> None:
    async with watch_live() as operator:
        await find(operator, "zzz")
        assert "Nothing and nobody found for “zzz”." in operator.screen_text
        await operator.press("enter")
        assert is_finder(operator)
        operator.peer.refuse(
            503, "database_unavailable", "The database is away; send it again.", "/players"
        )
        await operator.press("z")
        await operator.pass_time(0.4)
        assert "! database_unavailable: The database is away." in operator.screen_text


async def test_the_key_is_text_in_an_answer_and_in_the_finder_itself() -> None:
    async with watch_live() as operator:
        await operator.press("e", "slash")
        assert not is_finder(operator)
        assert ".csv/" in operator.screen_text
        await operator.press("escape", "slash", "slash", "colon")
        assert operator.read_field("FinderScreen Input") == "/:"


async def test_the_palette_finds_players_too() -> None:
    async with watch_live() as operator:
        await operator.press("ctrl+p")
        assert isinstance(operator.console.screen, CommandPalette)
        await operator.type("marga")

        async def is_listed() -> bool:
            await operator.lay_out()
            return "player: margaret (id 9)" in operator.screen_text

        await wait_until(is_listed)
        await operator.press("enter")
        await operator.pass_time()
        assert "margaret  id 9" in operator.screen_text


async def test_finder_looks_as_designed() -> None:
    async with watch_live(drive_laps()) as operator:
        await operator.press("slash")
        await check_snapshots(operator, "finder_empty")
    async with watch_live(drive_laps()) as operator:
        await find(operator, "a")
        await check_snapshots(operator, "finder")


async def test_examples_and_what_is_found_are_whole_in_sixty_columns() -> None:
    peer = drive_laps()
    peer.scores.append((12_345_678, "a-rather-long-name-of-a-player", 3))
    async with watch_live(peer, size=(60, 48)) as operator:
        await operator.press("slash")
        shown = " ".join(operator.read("#found").split())
        assert "players by a part of the name; one or two letters: its start" in shown
        assert all(len(line) <= 54 for line in operator.read("#found").splitlines())
        assert "its start" in operator.screen_text
        assert "of this board" in operator.screen_text
        await operator.type("a-rather")
        await operator.pass_time(1.0)
        (line,) = [line for line in operator.screen_text.splitlines() if "│ player" in line]
        assert "id 12345678" in line
        # As wide as before where there is room.
        await operator.resize(80, 48)
        assert "a-rather-long-name-of-a-player" in operator.screen_text
