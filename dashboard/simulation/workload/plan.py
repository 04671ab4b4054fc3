"""What a run will send and when, fixed before the first request leaves.

Open model: the arrivals are those of a Poisson process, given how many there are. The number is
exactly what the rate makes in the run's time, so that the rate is met, and the gaps are as
irregular as those of independent players. Closed model: a number of users who ask, read the
answer, think and ask again. Everything follows from the options; the same options give the same
plan, and only the operator's `+` and `-` depart from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import NamedTuple, Self

from dashboard.simulation.workload.scores import Scores, draw_score
from dashboard.simulation.workload.stages import MAX_RATE, Course, Stage, format_number

GAME_MODES = ("solo", "duo", "squad")

MAX_USERS = 1_000
MAX_PLAYERS = 1_000_000

_MAX_WEIGHT = 1_000_000
_MAX_THINK_SECONDS = 3600


class RequestKind(StrEnum):
    """The calls a run makes."""

    SUBMIT = "submit"
    TOP = "top"
    RANK = "rank"


@dataclass(frozen=True, slots=True)
class Mix:
    """The shares of the kinds, as weights relative to their sum.

    Raises `ValueError` where they are not weights.
    """

    submit: float = 70.0
    top: float = 10.0
    rank: float = 20.0

    def __post_init__(self) -> None:
        weights = (self.submit, self.top, self.rank)
        if not (all(0 <= weight <= _MAX_WEIGHT for weight in weights) and sum(weights) > 0):
            raise ValueError("weights are from 0 to a million, and one of them is above 0")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the weights of `submit=70,top=10,rank=20`; a kind left out has none.

        Raises `ValueError` that quotes the part that is not one.
        """
        weights = dict.fromkeys((kind.value for kind in RequestKind), 0.0)
        for part in text.split(","):
            name, _, weight = part.partition("=")
            try:
                weights[RequestKind(name.strip())] = float(weight)
            except ValueError:
                kinds = ", ".join(RequestKind)
                raise ValueError(
                    f"{part!r} is not a weight such as submit=70, of one of {kinds}"
                ) from None
        return cls(**weights)


class WrongOption(ValueError):
    """An option is not what is allowed; the message says what is."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class RunOptions:
    """What a run should do: requests a second, for how long, on behalf of how many players.

    With `stages` those say how the rate goes, and `rate` and `duration_seconds` are not looked at.
    With `users` the model is closed: so many users, who think for `think_seconds` on average, send
    for the duration, and `rate` is not looked at. Raises `WrongOption` that names the option, its
    value and what is allowed.
    """

    rate: float
    duration_seconds: float
    players: int
    seed: int
    mix: Mix = Mix()
    scores: Scores = Scores.LOGNORMAL
    stages: tuple[Stage, ...] = ()
    users: int | None = None
    think_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.users is None and not self.stages and not 0 < self.rate <= MAX_RATE:
            raise WrongOption(
                "rate",
                f"a rate of {format_number(self.rate)} is not above 0 and at most {MAX_RATE:,}",
            )
        if self.users is not None and not 0 < self.users <= MAX_USERS:
            raise WrongOption("users", f"{self.users:,} users are not from 1 to {MAX_USERS:,}")
        if not 0 <= self.think_seconds <= _MAX_THINK_SECONDS:
            raise WrongOption(
                "think",
                f"a think time of {format_number(self.think_seconds)} s is not from 0 to "
                f"{_MAX_THINK_SECONDS:,} s",
            )
        if not 0 < self.players <= MAX_PLAYERS:
            raise WrongOption(
                "players", f"{self.players:,} players are not from 1 to {MAX_PLAYERS:,}"
            )
        try:
            _ = self.course
        except ValueError as error:
            raise WrongOption("stages" if self.stages else "duration", str(error)) from None

    @cached_property
    def course(self) -> Course:
        """The stages; one of them where the rate is constant."""
        # A closed run has no rate; its course only says how long it is.
        rate = self.rate if self.users is None else 1.0
        return Course(self.stages or (Stage(rate, rate, self.duration_seconds),))

    @property
    def requests(self) -> int:
        """Number of requests in an open plan, at least one."""
        return max(1, round(self.course.requests))


class PlannedRequest(NamedTuple):
    """One request: when it should leave, and what it says.

    `offset_seconds` counts from the start of the run; `player` is a position in the run's list of
    players, because ids belong to a service and the plan does not. Score and game mode are drawn
    for every request but sent by submits only: so a request's content does not depend on the mix.
    """

    number: int
    offset_seconds: float
    kind: RequestKind
    player: int
    score: int
    game_mode: str


class Arrivals:
    """The times of an open run's requests in seconds from its start, ascending.

    Given its count, a Poisson process is a sorted uniform sample, stretched where the rate is low.
    Of n values still to come in what is left of the interval, the smallest takes the share
    1 - u^(1/n): so the sample comes out sorted, one value at a time, and n may change on the way.
    """

    def __init__(self, options: RunOptions) -> None:
        self._draws = Random(f"{options.seed}:arrivals")  # noqa: S311  reproducible by intent
        self._course = options.course
        self._course_requests = options.course.requests
        self._to_come = options.requests
        self._left_share = 1.0

    def __iter__(self) -> Iterator[float]:
        return self

    def __next__(self) -> float:
        if self._to_come <= 0:
            raise StopIteration
        self._left_share *= self._draws.random() ** (1.0 / self._to_come)
        self._to_come -= 1
        return self._course.find_offset((1.0 - self._left_share) * self._course_requests)

    def scale(self, factor: float) -> None:
        """Multiply how many are still to come; they share the same time."""
        self._to_come = round(self._to_come * factor)


def plan_requests(
    options: RunOptions, arrivals: Iterator[float] | None = None
) -> Iterator[PlannedRequest]:
    """Yield an open run's requests in the order of their start, without holding them all."""
    draws = Random(f"{options.seed}:requests")  # noqa: S311  reproducible by intent
    contents = _draw_contents(options, draws)
    for number, offset in enumerate(Arrivals(options) if arrivals is None else arrivals):
        yield PlannedRequest(number, offset, *next(contents))


def plan_user(options: RunOptions, user: int) -> Iterator[tuple[float, PlannedRequest]]:
    """Yield what one user of a closed run does, without end: seconds of thought, then a request.

    Number and time of the requests are for the run to fill in, since they depend on the answers.
    """
    draws = Random(f"{options.seed}:user:{user}")  # noqa: S311  reproducible by intent
    contents = _draw_contents(options, draws)
    while True:
        think_seconds = draws.expovariate(1.0) * options.think_seconds
        request = PlannedRequest(0, 0.0, *next(contents))
        yield think_seconds, request._replace(player=user % options.players)


def _draw_contents(
    options: RunOptions, draws: Random
) -> Iterator[tuple[RequestKind, int, int, str]]:
    mix = options.mix
    kinds = (RequestKind.SUBMIT, RequestKind.TOP, RequestKind.RANK)
    thresholds = tuple(accumulate((mix.submit, mix.top, mix.rank)))
    while True:
        yield (
            draws.choices(kinds, cum_weights=thresholds)[0],
            draws.randrange(options.players),
            draw_score(options.scores, draws),
            draws.choice(GAME_MODES),
        )
