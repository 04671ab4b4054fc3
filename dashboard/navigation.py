"""Where in the console one is: screens, players, boards and the addresses that lead there."""

from textual import work
from textual.app import App
from textual.message import Message

from dashboard.client.answers import BoardFacts, Season
from dashboard.client.connection import Connection
from dashboard.client.gateway import BoardSeason
from dashboard.screens.boards import Choice
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.screens.live.screen import LiveScreen
from dashboard.screens.player.screen import PlayerScreen
from dashboard.state.address import Address
from dashboard.state.console_state import ConsoleState


class AddressWanted(Message):
    """The operator went to another address, as with the browser's way back."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address


class ActionWanted(Message):
    """The operator touched a button of the page; `action_id` is that of a key's action."""

    def __init__(self, action_id: str) -> None:
        super().__init__()
        self.action_id = action_id


class NavigationApp(App[None]):
    """An app that goes to places, and tells the browser which address its page has."""

    state: ConsoleState
    _connection: Connection
    _told: Address | None = None

    async def on_address_wanted(self, event: AddressWanted) -> None:
        """Go where the browser's address leads."""
        await self.go(event.address)

    def on_action_wanted(self, event: ActionWanted) -> None:
        """Press the key of an action, whichever it is."""
        if event.action_id in self.state.keys:
            self.simulate_key(self.state.keys.list_keys(event.action_id)[-1])

    async def go(self, address: Address) -> None:
        """Show the board, the screen and the player of an address."""
        if address.board != self.state.chosen:
            self.watch_board(address.board)
        await self.switch_mode(address.mode)
        screen = self.screen_stack[0]
        if isinstance(screen, PlayerScreen):
            screen.look_up(address.player)

    def tell_address(self) -> None:
        """Tell the browser, if there is one, where this is now."""
        # Dialogs have no address of their own.
        screen = self.screen_stack[0]
        player = screen.name_player() if isinstance(screen, ConsoleScreen) else None
        if not self.is_web or player is None:
            return
        address = Address(self.current_mode, player, self.state.chosen)
        if address != self._told:
            self._told = address
            # The page takes this for its address, and loads nothing.
            self.open_url(str(address), new_tab=False)

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

    def show(self) -> None:
        """Show on the screens in front what is known now."""
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen) and screen.is_mounted:
                screen.show()

    @work(exit_on_error=False)
    async def look_up(self, user_id: int, *, typed: bool = False) -> None:
        """Go to the player screen and show a player there; `typed`: who was typed somewhere."""
        await self.switch_mode("player")
        screen = self.screen
        if isinstance(screen, PlayerScreen):
            screen.look_up(str(user_id), typed=typed)

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
