"""Where in the console one is: screens, players, boards and the addresses that lead there."""

from dataclasses import dataclass
from typing import Any, Final

from textual import work
from textual.app import App
from textual.message import Message
from textual.screen import Screen

from dashboard.client.answers import BoardFacts, Season
from dashboard.client.connection import Connection
from dashboard.client.gateway import BoardSeason, Gateway
from dashboard.screens.boards import BoardsScreen, Choice
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.dialog import Dialog
from dashboard.screens.explain import ExplainScreen
from dashboard.screens.live.screen import LiveScreen
from dashboard.screens.moderation_log import ModerationLogScreen
from dashboard.screens.player.screen import PlayerScreen
from dashboard.screens.slow import SlowScreen
from dashboard.state.address import Address
from dashboard.state.console_state import ConsoleState

BEHIND_SECONDS: Final = 2.0
"""Time between two redraws of a screen behind a dialog: Textual draws all of it each time."""


@dataclass
class AddressWanted(Message):
    """The operator went to another address, as with the browser's way back."""

    address: Address


@dataclass
class ActionWanted(Message):
    """The operator touched a button of the page; `action_id` is that of a key's action."""

    action_id: str


class NavigationApp(App[None]):
    """An app that goes to places, and tells the browser which address its page has."""

    state: ConsoleState
    _connection: Connection
    _gateway: Gateway
    _told: Address | None = None
    _front: Screen[Any] | None = None
    _shown_at = 0.0

    def clear_selection(self) -> None:
        """Let go of the text that is selected on the screen in front, once there is one.

        From Python 3.12 on fields are mounted before Textual knows their screen, and clear the
        selection; https://github.com/Textualize/textual/issues/6444.
        """
        if self.screen_stack:
            super().clear_selection()

    async def on_address_wanted(self, event: AddressWanted) -> None:
        """Go where the browser's address leads."""
        await self.go(event.address)

    def on_action_wanted(self, event: ActionWanted) -> None:
        """Press the key of an action, whichever it is."""
        if event.action_id in self.state.keys:
            self.simulate_key(self.state.keys.list_keys(event.action_id)[-1])

    async def go(self, address: Address) -> None:
        """Show the board, the screen, the players, the run and the dialog of an address."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        if address.board != self.state.chosen:
            self.watch_board(address.board)
        await self.switch_mode(address.mode)
        if isinstance(self.screen, ConsoleScreen):
            self.screen.visit(address)
        match address.opened:
            case "boards":
                self.action_boards()
            case "log":
                self.action_moderation_log()
            case "slow":
                self.action_slow()
            case "why":
                self.explain(int(address.player))
        # What comes of it takes the place of this address.
        self._told = None

    def tell_address(self) -> None:
        """Tell the browser, if there is one, where this is now."""
        address = self._locate() if self.is_web else None
        if address is not None and address != self._told:
            self._told = address
            # The page takes this for its address, and loads nothing.
            self.open_url(str(address), new_tab=False)

    def _locate(self) -> Address | None:
        """Return the address of what is shown, None while it has none yet, or none of its own."""
        screen, *dialogs = self.screen_stack
        address = screen.locate() if isinstance(screen, ConsoleScreen) else None
        if address is None:
            return None
        if dialogs:
            dialog = dialogs[-1]
            if not isinstance(dialog, Dialog) or not dialog.LINK:
                # In the midst of typing or of a decision: nobody is led there.
                return None
            if isinstance(dialog, ExplainScreen) and address.player != str(dialog.user_id):
                address = Address("player", str(dialog.user_id))
            address = address._replace(opened=dialog.LINK)
        return address._replace(board=self.state.chosen)

    def on_player_screen_moderated(self) -> None:
        """Show the board as it is by now."""
        self._connection.retry_now()

    def action_boards(self) -> None:
        """Ask which board to show, and which season of it."""
        self.push_screen(BoardsScreen(self._gateway, self.state), self.show_board)

    def action_explain(self) -> None:
        """Say why the player who is selected has that rank."""
        screen = self.screen
        user_id = screen.find_selected() if isinstance(screen, ConsoleScreen) else None
        if user_id is None:
            self.notify("Nobody is selected yet.", markup=False)
        else:
            self.explain(user_id)

    def explain(self, user_id: int) -> None:
        """Say why a player has that rank."""
        self.push_screen(ExplainScreen(self._gateway, self.state, user_id))

    def action_slow(self, route: str | None = None) -> None:
        """Show why a route is slow, by itself the slowest one."""
        self.push_screen(SlowScreen(self._gateway, self.state, route))

    def action_moderation_log(self) -> None:
        """List what moderators did."""
        self.push_screen(ModerationLogScreen(self._gateway, self.state))

    def show_board(self, choice: Choice | None) -> None:
        """Show the board and the season that were chosen from the lists, if any were."""
        if choice is not None:
            number = choice.season.number if choice.season else None
            self.watch_board(BoardSeason(choice.board.slug, number), *choice)

    def watch_board(
        self, chosen: BoardSeason, facts: BoardFacts | None = None, season: Season | None = None
    ) -> None:
        """Show another board or season, and what is known of it already."""
        self.workers.cancel_group(self, "follow")
        # What was said of the last board is not about this one.
        self.clear_notifications()
        self.state.choose_board(chosen, facts, season)
        self._connection.watch(chosen)
        self.show()

    def is_due(self) -> bool:
        """Return whether what is known now is to be shown with this tick."""
        before, self._front = self._front, self.screen
        if isinstance(self.screen, ConsoleScreen) or before is not self.screen:
            return True
        return self.state.clock.monotonic() - self._shown_at >= BEHIND_SECONDS

    def show(self) -> None:
        """Show on the screens in front what is known now."""
        self._shown_at = self.state.clock.monotonic()
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_mounted:
                screen.show()
        for dialog in self.screen_stack[1:]:
            # Each remembers what lay behind it, also while another one lies over it.
            dialog.refresh()

    @work(exit_on_error=False)
    async def look_up(self, user_id: int) -> None:
        """Go to the player screen and show a player there."""
        await self.switch_mode("player")
        screen = self.screen
        if isinstance(screen, PlayerScreen):
            screen.look_up(str(user_id))

    @work(exit_on_error=False)
    async def show_rank(self, rank: int) -> None:
        """Go to the board, and there to a rank."""
        await self.switch_mode("live")
        if isinstance(self.screen, LiveScreen):
            self.screen.go_to_rank(str(rank))

    @work(exit_on_error=False)
    async def show_run(self) -> None:
        """Go to the runs."""
        await self.switch_mode("simulate")
