"""Files that the operator is handed: into the folder of the console, or by the browser."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from textual import events
from textual.app import App

from dashboard.export import UnknownFormat, drop_outside_fonts, write_rows


class Deliveries(App[None]):
    """An app that hands out files and says where they are."""

    def deliver_picture(self, name: str) -> None:
        """Save the screen as an SVG file."""
        self.deliver_text(
            io.StringIO(drop_outside_fonts(self.export_screenshot())),
            save_directory=Path.cwd(),
            save_filename=name,
            open_method="browser",
            mime_type="image/svg+xml",
            name="Screenshot",
        )

    def deliver_rows(self, rows: Iterable[Mapping[str, object]], name: str) -> None:
        """Write rows in the format by which the name ends."""
        try:
            text = write_rows(rows, name)
        except UnknownFormat:
            self.notify(
                "Not exported: end the name in .csv or .json.", severity="warning", markup=False
            )
            return
        path = Path.cwd() / name
        self.deliver_text(
            io.StringIO(text), save_directory=path.parent, save_filename=path.name, name="Export"
        )

    def on_delivery_complete(self, event: events.DeliveryComplete) -> None:
        """Say where a file is."""
        where = "handed to the browser" if event.path is None else f"written to {event.path}"
        self.notify(f"{event.name} {where}", markup=False)

    def on_delivery_failed(self, event: events.DeliveryFailed) -> None:
        """Say why there is no file."""
        self.notify(f"{event.name} not written: {event.exception}", severity="error", markup=False)
