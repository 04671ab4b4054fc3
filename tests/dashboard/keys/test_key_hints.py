"""Hints name the keys in effect: what each screen says under the default keys and under others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from textual.widget import Widget

from dashboard.app import list_default_keys
from dashboard.keys.actions import name_key
from dashboard.keys.keymap import KeyNames
from dashboard.simulation.reports.report import RunState
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import fill
from tests.support.console.simulating import (
    Runs,
    Simulating,
    make_ended_report,
    make_report,
    open_simulate,
)

DEFAULTS = list_default_keys()
OTHERS = {action_id: f"f{number}" for number, action_id in enumerate(DEFAULTS, start=21)}
"""A key of its own for each action."""

both = pytest.mark.parametrize("keymap", [{}, OTHERS], ids=["defaults", "others"])


def write_hints(hints: Sequence[str], keymap: Mapping[str, str]) -> list[str]:
    """Put the names of keys in the place of the ids of actions."""
    keys = KeyNames(DEFAULTS, name_key)
    keys.change(keymap)
    return [re.sub(r"<([a-z_.]+)>", lambda found: keys[found[1]], hint) for hint in hints]


@dataclass
class Reader:
    """Does what actions do by the keys that they have now, and reads all that is shown."""

    operator: Operator
    keymap: Mapping[str, str]
    seen: str = field(default="", init=False)

    async def act(self, *actions: str) -> None:
        for action in actions:
            keys = {**DEFAULTS, **self.keymap}[action]
            await self.operator.press(keys.split(",")[0])
            # Textual draws nothing for the 50 ms in which a screen comes to the front.
            while self.operator.console._batch_count:
                await self.operator.pass_time()
            self.look()

    def look(self) -> None:
        """Read the screen, in which a sentence may go on on the next line."""
        shown = [self.operator.screen_text, *self.operator.toasts]
        self.seen += " ".join(" ".join(shown).split()) + "\n"

    def check(self, *hints: str) -> None:
        for hint in write_hints(hints, self.keymap):
            assert hint in self.seen
        others = {} if self.keymap else OTHERS
        for hint in write_hints(hints, others):
            assert hint not in self.seen


@both
async def test_live_names_the_keys_in_effect(keymap: Mapping[str, str]) -> None:
    async with watch_live(fill(5_000), keymap=keymap) as operator:
        reader = Reader(operator, keymap)
        await reader.act("board.last", "board.down", "board.first", "console.filter")
        await operator.type("zzz")
        reader.look()
        await operator.press("enter")
        await reader.act("console.maximize", "console.maximize", "live.clear", "live.sort")
        await reader.act("live.clear")
        await reader.act("console.pause", "live.go_to_rank")
        await operator.press("4", "0", "0", "0", "enter")
        operator.console.screen.set_focus(None)
        await reader.act("console.maximize", "console.keys", "keys.close")
        operator.peer.go_away()
        await operator.pass_time(3.0)
        reader.look()
    reader.check(
        "leaderboard <mode.live> Live <mode.player> Player",
        "<mode.simulate> Simulate <mode.health> Health",
        "» followed (<live.follow>)",
        "the last that is listed: <board.down> goes on, <board.last> goes to the very last",
        "the first that is listed: <board.up> goes on, <board.first> goes to the very first",
        "part of a name, in any case, or of an id; <prompt.cancel> shows all",
        "matches “zzz”; <prompt.cancel> shows all, then <console.search> finds any player",
        "matches “zzz”; <live.clear> shows all, <console.search> finds any player",
        "<live.reverse> turns it round, <live.sort> next column, <live.clear> by rank",
        "<console.maximize> or escape: back to all panels.",
        "Press <console.pause> to go on.",
        "Paused: press <console.pause>, then go there.",
        "Keys and words (<keys.close> closes)",
        "s (<console.retry>: now)",
    )
    assert "Press tab to choose a panel first." in reader.seen


@both
async def test_live_names_the_keys_in_effect_for_a_filter_and_an_empty_board(
    keymap: Mapping[str, str],
) -> None:
    async with watch_live(fill(9), keymap=keymap) as operator:
        reader = Reader(operator, keymap)
        await reader.act("console.filter")
        await operator.type("9")
        reader.look()
        await operator.press("enter")
        reader.look()
        await reader.act("live.clear")
        operator.peer.scores = []
        await operator.pass_time(2.0)
        reader.look()
    reader.check(
        "1 of the 9 listed match “9”; <prompt.cancel> shows all",
        "1 of the 9 listed match “9”; <live.clear> shows all",
        "Nobody has played yet: press <mode.simulate> to start traffic",
    )


@both
async def test_player_names_the_keys_in_effect(keymap: Mapping[str, str]) -> None:
    async with watch_live(keymap=keymap) as operator:
        reader = Reader(operator, keymap)
        await reader.act("mode.player")
        await operator.press("5", "enter")
        await reader.act("player.compare")
        await operator.press("1", "enter")
        await reader.act("console.search")
        await operator.press("1")
        await reader.act("finder.choose")
        await operator.press("tab", "ctrl+u")
        # While a second one is compared with, nobody is the first.
        await operator.pass_time(2.0)
        reader.look()
    again = "<player.part>, then <player.compare>" + ("" if keymap else " again")
    reader.check(
        "Type a player's id or exact name. <console.search> finds a part of a name.",
        "<player.compare> compares with another player, <console.search> looks up another",
        "<player.part> stops comparing, <console.search> looks up another",
        f"Both are the same player: {again} to name another.",
        "No first player is chosen: <console.search> looks one up.",
        "<finder.choose> goes there, up and down choose, <finder.close> closes",
    )


def find_focus(operator: Operator) -> Widget | None:
    return operator.console.focused


@both
async def test_health_names_the_keys_in_effect(keymap: Mapping[str, str]) -> None:
    async with watch_live(keymap=keymap) as operator:
        reader = Reader(operator, keymap)
        await reader.act("mode.health", "console.filter", "prompt.cancel")
        operator.console.screen.set_focus(None)
        await reader.act("console.maximize")
        # Tab itself does nothing here once another key is in its place.
        await operator.press("tab")
        assert (find_focus(operator) is None) == bool(keymap)
        await reader.act("health.next")
        assert find_focus(operator) is not None
    reader.check(
        "a part, warn, bad, or a word; <prompt.cancel> shows all",
        "Press <health.next> to choose a panel first.",
    )


async def show_run(reader: Reader, simulating: Simulating) -> None:
    await simulating.operator.pass_time(1.0)
    reader.look()


@both
async def test_simulate_names_the_keys_in_effect(keymap: Mapping[str, str]) -> None:
    runs = Runs()
    async with open_simulate(runs, keymap=keymap) as simulating:
        reader = Reader(simulating.operator, keymap)
        reader.look()
        # As for the figures of other screens, which have a key of their own while a run goes on.
        await reader.act("simulate.pause", "simulate.pause")
        runs.show(make_report())
        await show_run(reader, simulating)
        await reader.act("simulate.new")
        runs.show(make_report(state=RunState.PAUSED))
        await show_run(reader, simulating)
        runs.show(make_ended_report(), alive=False, ended=True)
        await show_run(reader, simulating)
        await reader.act("simulate.start")
        runs.show(make_report(), alive=False)
        await show_run(reader, simulating)
        runs.show(alive=False, ended=True, problem="interrupted")
        await show_run(reader, simulating)
        await reader.act("simulate.new")
        await show_run(reader, simulating)
    reader.check(
        "No run goes on: <simulate.start> starts this one, tab goes to a field, "
        "<simulate.hand> is by hand.",
        "<simulate.start> starts it; in a field, enter",
        "<simulate.hand> is by hand, <simulate.last> shows the last run.",
        "Other screens' figures are held: <console.pause> lets them go on.",
        "<simulate.faster> and <simulate.slower> change the rate by a tenth, "
        "<simulate.pause> pauses, <simulate.stop> stops.",
        "A run goes on: <simulate.stop> stops it.",
        "<simulate.pause> lets it go on, <simulate.stop> stops it.",
        "<simulate.new> for a new one, <simulate.hand> for a score by hand.",
        "This run has ended: <simulate.new> is for a new one.",
        "these are its last figures. <simulate.new> for a new run.",
        "interrupted (<simulate.new>: back to the form)",
    )


@pytest.mark.parametrize(
    ("keymap", "hint"),
    [
        ({}, "p lets them go on."),
        ({"console.pause": "f30,f31", "simulate.pause": "f30"}, "f31 lets them go on."),
        ({"console.pause": "f30", "simulate.pause": "f30"}, "f30 on one of those lets them go on."),
    ],
)
async def test_while_a_run_goes_on_the_key_of_its_pause_is_not_said_to_be_that_of_the_figures(
    keymap: dict[str, str], hint: str
) -> None:
    runs = Runs()
    async with open_simulate(runs, keymap=keymap) as simulating:
        await simulating.operator.press(keymap.get("console.pause", "space").split(",")[0])
        runs.show(make_report())
        await simulating.look()
        assert simulating.operator.console.state.paused
        assert f"figures are held: {hint}" in " ".join(simulating.operator.notice.split())


async def test_a_bracket_as_a_key_is_not_read_as_markup() -> None:
    keymap = {"simulate.start": "[", "keys.close": "[", "prompt.cancel": "[", "live.follow": "["}
    async with open_simulate(keymap=keymap) as simulating:
        assert "[ starts it; in a field, enter" in simulating.text
        assert "No run goes on: [ starts this one" in simulating.operator.notice
        await simulating.operator.press("question_mark")
        assert "Keys and words ([ closes)" in simulating.text


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("slash", "/"),
        ("question_mark", "?"),
        ("minus", "\N{MINUS SIGN}"),
        ("-", "\N{MINUS SIGN}"),
        ("plus", "+"),
        ("space", "space"),
        ("escape", "escape"),
        ("down", "down"),
        ("home", "home"),
        ("f11", "f11"),
        ("S", "S"),
        ("ctrl+s", "ctrl+s"),
        ("ctrl+slash", "ctrl+/"),
        ("left_square_bracket", "["),
    ],
)
def test_name_key(key: str, name: str) -> None:
    assert name_key(key) == name
