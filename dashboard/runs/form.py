"""What the operator fills in to start a run, and the command that comes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from dashboard.simulation.workload.plan import Mix, RunOptions, WrongOption
from dashboard.simulation.workload.scores import Scores
from dashboard.simulation.workload.stages import parse_stages
from dashboard.text.numbers import drop_grouping

Value = TypeVar("Value")

OPEN: Final = "open"
CLOSED: Final = "closed"

FIELD_NAMES: Final = {
    "model": "Model",
    "rate": "Rate a second",
    "users": "Users",
    "think": "Think seconds",
    "duration": "Seconds",
    "stages": "or stages",
    "mix": "Mix",
    "scores": "Scores",
    "players": "Players",
    "seed": "Seed",
}

# With commas between their parts; in a number they only group its digits.
_LISTS: Final = {"stages", "mix"}

# Any seed will do where only the shape of the run is wanted.
_SOME_SEED: Final = 0


class WrongField(ValueError):
    """What is typed into a field cannot be used; the message says why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{_name_field(field)}: {problem}")
        self.field = field


@dataclass(frozen=True, slots=True)
class RunForm:
    """The fields as typed; of those that belong to one model, only those of `model` count."""

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
        """Return what the run would do; raises `WrongField`."""
        has_stages = self.model == OPEN and bool(self.stages.strip())
        is_closed = self.model == CLOSED
        try:
            return RunOptions(
                rate=1.0 if has_stages or is_closed else _read("rate", self.rate, _parse_number),
                duration_seconds=1.0
                if has_stages
                else _read("duration", self.duration, _parse_number),
                players=_read("players", self.players, _parse_whole_number),
                seed=_read("seed", self.seed, _parse_whole_number)
                if self.seed.strip()
                else _SOME_SEED,
                mix=_read("mix", self.mix, Mix.parse),
                scores=Scores(self.scores),
                stages=_read("stages", self.stages, parse_stages) if has_stages else (),
                users=_read("users", self.users, _parse_whole_number) if is_closed else None,
                think_seconds=_read("think", self.think, _parse_number) if is_closed else 1.0,
            )
        except WrongOption as error:
            raise WrongField(error.option, str(error)) from None

    def list_arguments(self) -> list[str]:
        """Return the options of `leaderboard simulate`; raises `WrongField`."""
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
        for name in set(load) - _LISTS:
            load[name] = drop_grouping(load[name])
        return [f"--{name}={text.strip()}" for name, text in load.items()]


def _read(field: str, text: str, parse: Callable[[str], Value]) -> Value:
    if not text.strip():
        raise WrongField(field, "this field is empty")
    try:
        return parse(text)
    except ValueError as error:
        raise WrongField(field, str(error)) from None


def _parse_number(text: str) -> float:
    try:
        return float(drop_grouping(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _parse_whole_number(text: str) -> int:
    try:
        return int(drop_grouping(text))
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def _name_field(field: str) -> str:
    return FIELD_NAMES[field].removeprefix("or ").capitalize()
