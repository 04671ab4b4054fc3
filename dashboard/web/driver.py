"""What the page says to its console besides keys."""

from typing import Any

from textual.drivers.web_driver import WebDriver

from dashboard.navigation import AddressWanted
from dashboard.state.address import read_address


class LinkDriver(WebDriver):
    """Textual's driver for browsers, with addresses that the operator goes to."""

    def on_meta(self, packet_type: str, payload: dict[str, Any]) -> None:
        """Take what the web server passes on: it has read the address already."""
        if packet_type == "go":
            self._app.post_message(AddressWanted(read_address(payload["address"])))
        else:
            super().on_meta(packet_type, payload)
