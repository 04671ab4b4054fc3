"""What a run will send and when, fixed before the first request leaves.

The arrivals are those of a Poisson process, given how many there are: the number is exactly rate
times duration, so that the rate is met, and the gaps are as irregular as those of independent
players. Everything follows from the options; the same options give the same plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from random import Random
from typing import NamedTuple

GAME_MODES = ("solo", "duo", "squad")

LARGEST_SCORE = 2**31 - 1

_LARGEST_WEIGHT = 1_000_000
_HIGHEST_RATE = 100_000
_LONGEST_SECONDS = 7 * 24 * 3600
_MOST_PLAYERS = 100_000

# Half of the scores are below e^6 = 403, one in a thousand is above 8,900.
_SCORE_LOG_MEAN = 6.0
_SCORE_LOG_DEVIATION = 1.0


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
        if not (all(0 <= weight <= _LARGEST_WEIGHT for weight in weights) and sum(weights) > 0):
            raise ValueError("weights are from 0 to a million, and one of them is above 0")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run should do: requests a second, for how long, on behalf of how many players.

    Raises `ValueError` that names the option, its value and what is allowed.
    """

    rate: float
    duration_seconds: float
    players: int
    seed: int
    mix: Mix = Mix()

    def __post_init__(self) -> None:
        # Written so that NaN, which compares with nothing, is refused too.
        if not 0 < self.rate <= _HIGHEST_RATE:
            raise ValueError(f"a rate of {self.rate:g} is not above 0 and at most {_HIGHEST_RATE}")
        if not 0 < self.duration_seconds <= _LONGEST_SECONDS:
            raise ValueError(
                f"a duration of {self.duration_seconds:g} s is not above 0 "
                f"and at most {_LONGEST_SECONDS} (a week)"
            )
        if not 0 < self.players <= _MOST_PLAYERS:
            raise ValueError(f"{self.players} players are not from 1 to {_MOST_PLAYERS}")

    @property
    def requests(self) -> int:
        """Number of requests in the plan: rate times duration, at least one."""
        return max(1, round(self.rate * self.duration_seconds))


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


def plan_requests(options: RunOptions) -> Iterator[PlannedRequest]:
    """Yield the run's requests in the order of their start, without holding them all."""
    mix = options.mix
    kinds = (RequestKind.SUBMIT, RequestKind.TOP, RequestKind.RANK)
    thresholds = tuple(accumulate((mix.submit, mix.top, mix.rank)))
    draws = Random(f"{options.seed}:requests")  # noqa: S311  reproducible by intent
    for number, offset in enumerate(_draw_arrivals(options)):
        yield PlannedRequest(
            number,
            offset,
            draws.choices(kinds, cum_weights=thresholds)[0],
            draws.randrange(options.players),
            min(int(draws.lognormvariate(_SCORE_LOG_MEAN, _SCORE_LOG_DEVIATION)), LARGEST_SCORE),
            draws.choice(GAME_MODES),
        )


def _draw_arrivals(options: RunOptions) -> Iterator[float]:
    """Yield as many ascending uniform times as the run has requests.

    Given its count, a Poisson process is a sorted uniform sample. Of n values still to come in
    what is left of the interval, the smallest takes the share 1 - u^(1/n): so the sample comes
    out sorted, one value at a time.
    """
    draws = Random(f"{options.seed}:arrivals")  # noqa: S311  reproducible by intent
    left_seconds = options.duration_seconds
    for to_come in range(options.requests, 0, -1):
        left_seconds *= draws.random() ** (1.0 / to_come)
        yield options.duration_seconds - left_seconds
