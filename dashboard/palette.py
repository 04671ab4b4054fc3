"""What can be done and found by name: the actions and their keys, the finder and the palette."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from textual import work
from textual.app import App, SystemCommand
from textual.command import Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from dashboard.keys.actions import Action, list_actions
from dashboard.navigation import NavigationApp
from dashboard.runs.desk import RunDesk
from dashboard.screens.boards import Choice
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.finder import FinderScreen
from dashboard.screens.keys_help import KeysScreen, list_help
from dashboard.screens.live.board_view import BoardView
from dashboard.state.finding import (
    ActionFound,
    BoardFound,
    Found,
    Known,
    PlayerFound,
    RankFound,
    RunFound,
    describe,
    find_everything,
)


class FoundProvider(Provider):
    """Has the palette list players, ranks, boards, seasons and runs beside the actions."""

    async def search(self, query: str) -> Hits:
        """Yield what is found, the likeliest first."""
        console: object = self.app
        assert isinstance(console, PaletteApp)
        zone = console.state.clock.now().tzinfo
        for place, found in enumerate(await console.search_everything(query)):
            kind, name, fact = describe(found, zone)
            text = f"{kind}: {name} ({fact})"
            yield Hit(1 / (2 + place), Content(text), partial(console.go_to, found), text=text)


class PaletteApp(NavigationApp):
    """An app of which all that can be done is listed, and all that it shows is found."""

    COMMANDS = App.COMMANDS | {FoundProvider}

    _desk: RunDesk | None

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return every action of the screen and of the console, and the themes."""
        yield SystemCommand("Theme", "Choose other colours", self.action_change_theme)
        for action in self._list_actions(screen):
            run = partial(self.run_action, action.binding.action, action.node)
            yield SystemCommand(action.description, f"key {action.keys}", run)

    def _list_actions(self, screen: Screen[Any]) -> list[Action]:
        """Return the console's own actions on a screen, or those of a dialog alone."""
        if not isinstance(screen, ConsoleScreen):
            # Over one those of the console do nothing.
            return list_actions([screen], self._keymap, self.get_key_display)
        nodes = (*screen.query(BoardView), screen, self)
        return [
            action._replace(binding=screen.name_binding(action.binding))
            for action in list_actions(nodes, self._keymap, self.get_key_display)
            if screen.applies(action.binding.action.partition("(")[0])
        ]

    def action_keys(self) -> None:
        """List the keys that work here, and what the words here mean."""
        screen = self.screen
        words = screen.WORDS if isinstance(screen, ConsoleScreen) else ()
        listed = list_help(self._list_actions(screen), self, words)
        self.push_screen(KeysScreen(listed, self.state.keys))

    async def action_find(self, start: str = "") -> None:
        """Find a player, a rank, a board, a season, a run or an action."""
        if isinstance(self.screen, ConsoleScreen):
            actions = self._list_actions(self.screen)
            known = self._list_known([(action.description, action.keys) for action in actions])
            finder = FinderScreen(self._gateway, self.state, known, start)
            # Keys that follow are typed into it.
            await self.push_screen(finder, partial(self.go_to, actions=actions))

    def _list_known(self, actions: Sequence[tuple[str, str]] = ()) -> Known:
        """Return what there is to find without asking the service."""
        return Known(
            shown=self.state.chosen,
            ranks=self.state.top.players if self.state.top else 0,
            runs=self._desk.list_runs() if self._desk is not None else (),
            actions=actions,
        )

    async def search_everything(self, wanted: str) -> list[Found]:
        """Return what the finder finds, without actions."""
        return await find_everything(self._gateway, wanted, self._list_known())

    def go_to(self, found: Found | None, actions: Sequence[Action] = ()) -> None:
        """Show what was found, or do it."""
        match found:
            case PlayerFound(player):
                self.look_up(player.user_id)
            case RankFound(rank):
                self.show_rank(rank)
            case BoardFound(board, season):
                self.show_board(Choice(board, season))
            case RunFound(run) if self._desk is not None:
                self._desk.show(run)
                self.show_run()
            case ActionFound(index=index):
                self.do(actions[index])

    @work(exit_on_error=False)
    async def do(self, action: Action) -> None:
        """Do what was found by its name."""
        await self.run_action(action.binding.action, action.node)
