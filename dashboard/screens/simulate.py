"""Simulate: traffic under the operator's hand."""

from textual.app import ComposeResult

from dashboard.condition import Condition
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.widgets.lines import Lines


class SimulateScreen(ConsoleScreen):
    """Says how to start traffic from a shell."""

    MODE = "simulate"

    def compose_body(self) -> ComposeResult:
        """The command to run."""
        yield Lines(id="simulate", classes="panel")

    def show_body(self, condition: Condition) -> None:
        """Show the command for the service that is watched."""
        url = self.picture.url
        self.query_one("#simulate", Lines).show(
            [
                [("Start traffic from another terminal:", "")],
                [],
                [(f"  leaderboard simulate --rate 200 --duration 60 --url {url}", "accent")],
                [],
                [("Then press 1 to see the board move and 4 to see the latencies.", "muted")],
            ]
        )
