"""Why a run cannot start or go on, in words for whoever asked for it."""

from pathlib import Path


class SimulationError(Exception):
    """A run that cannot be carried out; `finding` is the short reason."""

    def __init__(self, message: str, finding: str | None = None) -> None:
        super().__init__(message)
        self.finding = finding or message


class ServiceUnreachable(SimulationError):
    """Nothing accepts connections at the URL."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"no leaderboard answers at {url}: start one with `leaderboard up` "
            "or name it with --url",
            f"nothing answers at {url}",
        )


class UnexpectedAnswer(SimulationError):
    """Something answers at the URL, but not what the run needs."""

    def __init__(self, url: str, call: str, finding: str) -> None:
        super().__init__(
            f"the run cannot begin: {url} answered {call} with {finding}",
            f"{call} was answered with {finding}",
        )


class KeyRejected(SimulationError):
    """The service refuses the run's API key, or refuses it for having none."""

    def __init__(self, url: str, *, is_known: bool, is_sent: bool) -> None:
        finding = "the key's role is too low" if is_known else "it takes no such API key"
        if not is_sent:
            finding = "it needs an API key, and none was sent"
        super().__init__(
            f"{url} refuses the run: {finding}; name one of the role admin, made by "
            "`leaderboard keys create`, with --api-key or LEADERBOARD_API_KEY",
            f"{finding}: start with --api-key or LEADERBOARD_API_KEY",
        )


class RunUnfindable(SimulationError):
    """There is no place for the trace by which a console finds the run."""

    def __init__(self, runs: Path, error: OSError) -> None:
        super().__init__(
            f"no console could find this run: {error.filename or runs}: {error.strerror}; "
            "set XDG_STATE_HOME to a directory that can be written"
        )


class RunEnded(SimulationError):
    """The run that a command was meant for has ended."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id} does not go on any more")
