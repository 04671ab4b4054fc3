"""What the operator fills in to start a run, and the command that comes of it."""

from dataclasses import dataclass
from typing import Final

from dashboard.simulation.plan import Mix, RunOptions
from dashboard.simulation.scores import Scores
from dashboard.simulation.stages import parse_stages

OPEN: Final = "open"
CLOSED: Final = "closed"

# Any seed will do where only the shape of the run is wanted.
_SOME_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class RunForm:
    """The fields as they are typed; of the models' own ones only those of `model` count."""

    model: str = OPEN
    rate: str = "200"
    duration: str = "60"
    stages: str = ""
    users: str = "50"
    think: str = "1"
    mix: str = "submit=70,top=10,rank=20"
    scores: str = Scores.LOGNORMAL.value
    players: str = "1000"
    seed: str = ""

    def read_options(self) -> RunOptions:
        """Return what the run would do; raises `ValueError` that names the wrong field."""
        has_stages = self.model == OPEN and bool(self.stages.strip())
        is_closed = self.model == CLOSED
        return RunOptions(
            rate=1.0 if has_stages or is_closed else _read_number("rate", self.rate),
            duration_seconds=1.0 if has_stages else _read_number("duration", self.duration),
            players=_read_whole_number("players", self.players),
            seed=_read_whole_number("seed", self.seed) if self.seed.strip() else _SOME_SEED,
            mix=Mix.parse(self.mix),
            scores=Scores(self.scores),
            stages=parse_stages(self.stages) if has_stages else (),
            users=_read_whole_number("users", self.users) if is_closed else None,
            think_seconds=_read_number("think", self.think) if is_closed else 1.0,
        )

    def list_arguments(self) -> list[str]:
        """Return the options of `leaderboard simulate`; raises `ValueError` as `read_options`."""
        options = self.read_options()
        if options.stages:
            load = {"stages": self.stages.strip()}
        elif options.users is not None:
            load = {"users": self.users, "think": self.think, "duration": self.duration}
        else:
            load = {"rate": self.rate, "duration": self.duration}
        load |= {"mix": self.mix, "scores": self.scores, "players": self.players}
        if self.seed.strip():
            load["seed"] = self.seed
        return [f"--{name}={text.strip()}" for name, text in load.items()]


def _read_number(field: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{field}: {text!r} is not a number") from None


def _read_whole_number(field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{field}: {text!r} is not a whole number") from None
