"""Reasons for which a run cannot start, in the words for whoever asked for it."""


class SimulationError(Exception):
    """A run that cannot be carried out."""


class ServiceUnreachable(SimulationError):
    """Nothing accepts connections at the URL."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"no leaderboard answers at {url}: start one with `leaderboard up` "
            "or name it with --url"
        )


class UnexpectedAnswer(SimulationError):
    """Something answers at the URL, but not what the run needs to begin."""

    def __init__(self, url: str, call: str, finding: str) -> None:
        super().__init__(f"the run cannot begin: {url} answered {call} with {finding}")
