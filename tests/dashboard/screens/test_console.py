import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.widgets import Input

from dashboard.app import Console, list_default_keys
from dashboard.client.gateway import Gateway
from dashboard.downloads import UnknownFormat, write_rows
from dashboard.screens.finder import FinderScreen
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import URL, ServicePeer, fill
from tests.support.waiting import wait_until

HOSTILE_NAMES = (
    "[/x]",
    "[@click=app.quit]press me[/]",
    "[bold red]loud",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\u202etfel ot thgir\u202c",
    "שלום עולם",
    "👩\u200d🚀👨\u200d👩\u200d👧 🇩🇪",
    "漢字" * 60,
    "x" * 255,
    "=cmd|'/c calc'!A1",
    "new\nline\ttab\u2028sep",
    "z" + "\u0335" * 200,
)


def hostile_peer() -> ServicePeer:
    peer = ServicePeer(FrozenClock())
    peer.scores = [
        (number, name, 1_000 - 10 * number) for number, name in enumerate(HOSTILE_NAMES, 1)
    ]
    return peer


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_hostile_names_are_harmless_on_every_screen(size: tuple[int, int]) -> None:
    async with watch_live(hostile_peer(), size) as operator:
        for number in range(1, len(HOSTILE_NAMES) + 1):
            operator.peer.add_score(number, number)
        await operator.pass_time()
        shown = operator.screen_text
        assert "[/x]" in shown
        assert "␛[2J␛[31mred␛]0;" in shown
        check_harmless(shown)
        await operator.press("f", "y", "2")
        for number in range(1, len(HOSTILE_NAMES) + 1):
            await operator.press("slash", *str(number), "enter")
            check_harmless(operator.screen_text)
        await operator.press("c", "1", "enter", "4")
        check_harmless(operator.screen_text)
        assert operator.console.is_running


def check_harmless(shown: str) -> None:
    for character in "\x1b\x07\t\u202e\u202c\u2028\u200d":
        assert character not in shown


async def test_every_action_is_in_the_palette_and_among_the_keys() -> None:
    async with watch_live() as operator:
        console = operator.console
        commands = {command.title for command in console.get_system_commands(console.screen)}
        expected = {"Pause", "Filter", "Maximise", "Copy", "Export", "Screenshot", "Retry now"}
        assert expected | {"Keys", "Quit", "Theme", "Player", "Go to rank", "Follow"} <= commands
        await operator.press("question_mark")
        shown = operator.screen_text
        for _ in range(3):
            await operator.press("pagedown")
            shown += operator.screen_text
        for action in expected:
            assert action in shown
        # The keys lie over the screen that they are for.
        assert "leaderboard" in operator.screen_text.splitlines()[0]


def find_owners(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    """Yield every class of the console that has keys of its own."""
    for owner in kind.__subclasses__():
        if owner.__module__.startswith("dashboard.") and "BINDINGS" in vars(owner):
            yield owner
        yield from find_owners(owner)


def test_every_binding_has_an_id() -> None:
    owners = set(find_owners(DOMNode))
    ids = [str(getattr(binding, "id", None)) for owner in owners for binding in owner.BINDINGS]
    # The key of the keys lists those of a dialog too.
    assert ids.count("console.keys") == 2
    assert sorted(ids) == sorted([*list_default_keys(), "console.keys"])


async def test_a_screen_that_comes_back_has_the_colours_that_were_chosen_meanwhile() -> None:
    async with watch_live() as operator:
        await operator.press("f4")
        before = operator.console.screen.query_one("#status").styles.background
        operator.console.theme = "dracula"
        await operator.pass_time()
        chosen = operator.console.screen.query_one("#status").styles.background
        await operator.press("f1")
        assert operator.console.screen.query_one("#status").styles.background == chosen != before


def is_palette_open(operator: Operator) -> bool:
    return isinstance(operator.console.screen, CommandPalette)


async def test_the_palette_over_a_dialog_lists_what_acts_there() -> None:
    async with watch_live() as operator:
        console = operator.console
        await operator.press("b")
        listed = {command.title for command in console.get_system_commands(console.screen)}
        assert "Theme" in listed
        assert not listed & {"Find", "Run an action by name", "Filter", "Maximise", "Export", "Why"}
        await operator.press("question_mark")
        keys = operator.screen_text
        assert all(title in keys for title in listed - {"Theme"})


@pytest.mark.parametrize("key", ["F", "g", "e"])
async def test_the_key_that_finds_is_not_offered_where_it_writes(key: str) -> None:
    async with watch_live(size=(80, 24)) as operator:
        await operator.press(key)
        assert "Find" not in operator.screen_text.splitlines()[-1]
        before = operator.read_field("Prompt Input")
        await operator.press("slash")
        assert operator.read_field("Prompt Input") == f"{before}/"
        # From any other field it finds.
        await operator.press("escape", "2")
        assert isinstance(operator.console.focused, Input)
        assert "/ Find" in operator.screen_text.splitlines()[-1]
        await operator.press("slash")
        assert isinstance(operator.console.screen, FinderScreen)


async def test_keys_can_be_mapped_to_others() -> None:
    async with watch_live() as operator:
        operator.console.set_keymap({"console.pause": "ctrl+s", "console.palette": "ctrl+k"})
        await operator.press("ctrl+k")
        assert is_palette_open(operator)
        await operator.press("escape")
        await operator.press("ctrl+p")
        assert not is_palette_open(operator)
        await operator.press("ctrl+s")
        assert "‖ paused" in operator.notice
        await operator.press("question_mark")
        assert "^s" in operator.screen_text


async def test_the_palette_runs_actions() -> None:
    async with watch_live() as operator:
        await operator.press("ctrl+p")
        await operator.type("pause")
        await wait_until(lambda: chosen(operator, "Pause"))
        await operator.press("enter")
        await operator.pass_time()
        assert operator.console.state.paused


async def chosen(operator: Operator, title: str) -> bool:
    await operator.lay_out()
    return title in operator.screen_text


async def test_maximise_gives_the_board_the_screen_and_takes_it_back() -> None:
    async with watch_live() as operator:
        await operator.press("m")
        assert "Movers" not in operator.screen_text
        assert "ada" in operator.screen_text
        await operator.press("m")
        assert "Movers" in operator.screen_text


async def test_a_question_is_seen_also_where_a_panel_had_the_screen_to_itself() -> None:
    async with watch_live() as operator:
        await operator.press("m", "g")
        assert "Go to rank" in operator.screen_text
        assert "1 to 9" in operator.screen_text


async def test_copy_takes_the_player_under_the_cursor() -> None:
    async with watch_live() as operator:
        await operator.press("down", "y")
        assert operator.console.clipboard == "2\t2\tgrace\t8700\tglobal"


async def test_copy_outside_tmux_claims_no_more_than_it_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    async with watch_live() as operator:
        await operator.press("y")
        assert operator.toasts[-1] == "Handed to the terminal's clipboard: 1 1 ada 9400  global"


async def test_copy_that_tmux_does_not_take_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMUX", f"{tmp_path}/nobody,1,0")
    monkeypatch.setenv("PATH", str(tmp_path))
    async with watch_live() as operator:
        await operator.press("y")
        await wait_until(lambda: bool(operator.toasts))
        (said,) = operator.toasts
        assert said == "Not copied. tmux cannot be run: No such file or directory"


async def test_export_says_of_how_many_players_it_has_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with watch_live(fill(1_500)) as operator:
        await operator.press("e")
        assert "Export 1,000 listed of 1,500 players to" in operator.screen_text
        await operator.press("ctrl+u", *"a.csv", "enter")
        said = f"Export of 1,000 listed of 1,500 players written to {tmp_path / 'a.csv'}"
        await wait_until(lambda: said in operator.toasts)
        # What a filter leaves out is not exported either.
        await operator.press("F", *"777", "enter", "e")
        assert "Export 1 that match of 1,000 listed to" in operator.screen_text
        await operator.press("ctrl+u", *"b.csv", "enter")
        said = f"Export of 1 that match of 1,000 listed written to {tmp_path / 'b.csv'}"
        await wait_until(lambda: said in operator.toasts)
        # Textual says so a moment before it closes the file.
        await wait_until(lambda: (tmp_path / "b.csv").read_text().endswith("\n"))
        await wait_until(lambda: (tmp_path / "a.csv").read_text().count("\n") == 1_001)
    (row,) = csv.DictReader((tmp_path / "b.csv").read_text().splitlines())
    assert row["username"] == "player 777"


@pytest.mark.parametrize("ending", ["csv", "json"])
async def test_export_writes_the_board_and_says_where(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"board.{ending}"
    async with watch_live() as operator:
        await operator.press("e")
        assert "leaderboard-live-global-20261123-12000" in operator.screen_text
        await operator.press("ctrl+u")
        await operator.type(path.name)
        await operator.press("enter")
        await wait_until(lambda: any(str(path) in toast for toast in operator.toasts))
        # Textual says so a moment before it closes the file.
        await wait_until(path.read_text)
    text = path.read_text()
    rows = json.loads(text) if ending == "json" else list(csv.DictReader(text.splitlines()))
    assert [row["username"] for row in rows][:3] == ["ada", "grace", "edsger"]
    assert [int(row["rank"]) for row in rows][:4] == [1, 2, 2, 4]


async def test_export_to_an_unknown_format_or_place_is_said() -> None:
    async with watch_live() as operator:
        await operator.press("e", "ctrl+u")
        await operator.type("board.xls")
        await operator.press("enter")
        assert operator.toasts[-1] == "Not exported: end the name in .csv or .json."
        await operator.press("e", "ctrl+u")
        await operator.type("/nowhere/board.csv")
        await operator.press("enter")
        await wait_until(lambda: any("No such file" in toast for toast in operator.toasts))


def test_a_spreadsheet_runs_nothing_of_an_export() -> None:
    rows = [{"username": "=1+1", "score": -5}, {"username": "ada", "score": 3}]
    assert write_rows(rows, "x.csv") == "username,score\n'=1+1,-5\nada,3\n"
    assert json.loads(write_rows(rows, "x.json")) == rows
    with pytest.raises(UnknownFormat):
        write_rows(rows, "x.txt")


async def test_screenshot_is_an_svg_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "leaderboard-global-20261123-120000.svg"
    async with watch_live() as operator:
        await operator.press("S")
        await wait_until(lambda: any(str(path) in toast for toast in operator.toasts))
    assert path.read_text().startswith("<svg")
    assert "font-family" in path.read_text()
    assert 'url("http' not in path.read_text()


async def test_a_worker_that_fails_is_said_and_the_console_goes_on() -> None:
    class Broken(Gateway):
        async def read_rank(self, *_: object) -> None:  # type: ignore[override]
            raise ZeroDivisionError("a defect")

    peer = ServicePeer(FrozenClock())
    console = Console(Broken(URL, peer.transport), peer.clock)
    async with console.run_test(size=(120, 36), notifications=True):
        operator = Operator(console, peer)
        await operator.pass_time()
        await operator.press("2", "5", "enter")
        await operator.pass_time()
        assert "follow failed: ZeroDivisionError: a defect" in operator.toasts[-1]
        await operator.press("f1")
        assert "ada" in operator.screen_text


async def test_figures_of_the_status_bar_keep_their_words_where_there_is_little_room() -> None:
    async with watch_live(size=(80, 24)) as operator:
        assert (
            "│ round trip 0.0 ms │ data 0.2 s old │ board global │ no run" in operator.screen_text
        )
        operator.console.state.run_state = "running 1000/3600 s"
        await operator.press("space")
        for _ in range(3):
            operator.peer.add_score(9, 1)
            await operator.pass_time(0.4)
        assert operator.read("#status") == (
            " ● connected │ ‖ 3 held │ round trip 0.0 ms │ data 2 s old │ running 1000/3600 s"
        )


async def test_keys_behind_that_of_the_palette_are_typed_into_it() -> None:
    async with watch_live() as operator:
        await operator.press_together("ctrl+p", *"zzz", *["backspace"] * 3, *"pause")
        await wait_until(lambda: chosen(operator, "Pause"))
        assert operator.read_field("CommandInput") == "pause"


async def test_a_tick_that_comes_while_the_console_closes_is_none() -> None:
    async with watch_live() as operator:
        console = operator.console
        screen = console.screen
        console._running = False
        await screen.query_one("#tabs").remove()
        console.on_ticked()
        console._running = True
