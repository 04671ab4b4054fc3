"""What the console's workers tell its screens."""

from textual.message import Message
from textual.worker import Worker

from dashboard.client.answers import Status, Top
from dashboard.client.gateway import GatewayError
from dashboard.client.link_state import Link


class LinkChanged(Message):
    """The connection to the service is in another state."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link


class TopArrived(Message):
    """The service sent lines of the board from a place on; None: it only gave a sign of life."""

    def __init__(self, top: Top | None, first: int = 0) -> None:
        super().__init__()
        self.top = top
        self.first = first


class TopRefused(Message):
    """The service answers, but does not tell the board."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error


class WindowWanted(Message):
    """The operator wants to see the board from another place on."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first


class PlayerWanted(Message):
    """The operator follows a player who has left the lines that are shown."""

    def __init__(self, user_id: int) -> None:
        super().__init__()
        self.user_id = user_id


class StatusArrived(Message):
    """The service told the state of its parts."""

    def __init__(self, status: Status, round_trip_ms: float) -> None:
        super().__init__()
        self.status = status
        self.round_trip_ms = round_trip_ms


class StatusRefused(Message):
    """The service answers, but does not tell the state of its parts."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error


class Ticked(Message):
    """Time has passed: ages, countdowns and flashes look different now."""


class WorkerFailed(Message):
    """A worker ended in a way that nobody foresaw: a defect of the console."""

    def __init__(self, worker: Worker[object]) -> None:
        super().__init__()
        self.text = f"{worker.name} failed: {type(worker.error).__name__}: {worker.error}"
