"""What the page says to its console besides keys."""

from typing import Any

from textual import events
from textual.drivers.web_driver import WebDriver

from dashboard.navigation import ActionWanted, AddressWanted
from dashboard.state.address import read_address


class LinkDriver(WebDriver):
    """Textual's driver for browsers, with addresses to go to and the page's own buttons."""

    def start_application_mode(self) -> None:
        """Begin with the focus: a page that was just opened is looked at.

        Textual begins without it, and the page tells of a focus only when it comes back.
        """
        super().start_application_mode()
        self._app.call_later(self._app.post_message, events.AppFocus())

    def on_meta(self, packet_type: str, payload: dict[str, Any]) -> None:
        """Take what the web server passes on: it has read the address already."""
        match packet_type:
            case "go":
                self._app.post_message(AddressWanted(read_address(payload["address"])))
            case "act":
                self._app.post_message(ActionWanted(payload["action"]))
            case _:
                super().on_meta(packet_type, payload)
