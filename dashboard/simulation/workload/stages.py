"""How the rate of an open run goes: stages, each held or climbed evenly, one after the other."""

import math
import re
from dataclasses import dataclass

MAX_RATE = 100_000
MAX_SECONDS = 7 * 24 * 3600


def format_number(number: float) -> str:
    """Return 1000000000.0 as 1,000,000,000, and no more decimals than there are."""
    # Beyond these, digits would only fill the line.
    if abs(number) >= 1e15 or 0 < abs(number) < 1e-6:
        return f"{number:g}"
    text = f"{number:,.6f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Stage:
    """Some seconds in which the rate goes evenly from `start_rate` to `end_rate` a second.

    Raises `ValueError` that names what is wrong and what is allowed.
    """

    start_rate: float
    end_rate: float
    duration_seconds: float

    def __post_init__(self) -> None:
        # Written so that NaN, which compares with nothing, is refused too.
        for rate in (self.start_rate, self.end_rate):
            if not 0 <= rate <= MAX_RATE:
                raise ValueError(f"a rate of {format_number(rate)} is not from 0 to {MAX_RATE:,}")
        if not 0 < self.duration_seconds <= MAX_SECONDS:
            raise ValueError(
                f"a duration of {format_number(self.duration_seconds)} s is not above 0 "
                f"and at most {MAX_SECONDS:,} (a week)"
            )

    @property
    def requests(self) -> float:
        """Number of requests that are due in it."""
        return (self.start_rate + self.end_rate) / 2 * self.duration_seconds

    def find_offset(self, requests: float) -> float:
        """Return the seconds after which that many requests are due."""
        if requests <= 0:
            return 0.0
        # The root of start * t + slope * t² / 2 = requests, in the form that does not cancel out
        # where the slope is small.
        slope = (self.end_rate - self.start_rate) / self.duration_seconds
        root = math.sqrt(max(self.start_rate**2 + 2 * slope * requests, 0.0))
        divisor = self.start_rate + root
        return min(2 * requests / divisor, self.duration_seconds) if divisor else 0.0

    def read_rate(self, seconds: float) -> float:
        """Return the rate after some seconds of it."""
        share = seconds / self.duration_seconds
        return self.start_rate + (self.end_rate - self.start_rate) * share


@dataclass(frozen=True, slots=True)
class Course:
    """The stages of a run in their order.

    Raises `ValueError` where they are too long together or nothing is due in them.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.requests:
            raise ValueError("the stages need a rate above 0 somewhere")
        if self.duration_seconds > MAX_SECONDS:
            raise ValueError(
                f"stages of {format_number(self.duration_seconds)} s are longer than "
                f"{MAX_SECONDS:,} (a week)"
            )

    @property
    def duration_seconds(self) -> float:
        """Length of all stages together."""
        return sum(stage.duration_seconds for stage in self.stages)

    @property
    def highest_rate(self) -> float:
        """The highest rate that is wanted at any moment."""
        return max(max(stage.start_rate, stage.end_rate) for stage in self.stages)

    @property
    def requests(self) -> float:
        """Number of requests that are due in all of them."""
        return sum(stage.requests for stage in self.stages)

    def find_offset(self, requests: float) -> float:
        """Return the seconds after which that many requests are due."""
        begun_seconds = 0.0
        for stage in self.stages[:-1]:
            if requests < stage.requests:
                return begun_seconds + stage.find_offset(requests)
            requests -= stage.requests
            begun_seconds += stage.duration_seconds
        return begun_seconds + self.stages[-1].find_offset(min(requests, self.stages[-1].requests))

    def read_rate(self, seconds: float) -> float:
        """Return the target rate at a moment; that of its end after the end."""
        for stage in self.stages[:-1]:
            if seconds < stage.duration_seconds:
                return stage.read_rate(seconds)
            seconds -= stage.duration_seconds
        return self.stages[-1].read_rate(min(seconds, self.stages[-1].duration_seconds))

    def list_marks(self) -> list[float]:
        """Return the seconds at which one stage ends and another begins."""
        marks, begun_seconds = [], 0.0
        for stage in self.stages[:-1]:
            begun_seconds += stage.duration_seconds
            marks.append(begun_seconds)
        return marks


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Return the stages of `0-300x30,300x60`: half a minute from 0 to 300 a second, a minute there.

    Raises `ValueError` that quotes the part that is not one.
    """
    return tuple(_parse_stage(part.strip()) for part in text.split(","))


def _parse_stage(part: str) -> Stage:
    rates, _, seconds = part.partition("x")
    # Not the one in 5e-05.
    start, *ends = re.split("(?<![eE])-", rates, maxsplit=1)
    try:
        numbers = float(start), float(ends[0] if ends else start), float(seconds)
    except ValueError:
        raise ValueError(
            f"{part!r} is not a stage such as 300x60 (300 a second for 60 s) or 0-300x60 (from 0 "
            "to 300 in 60 s)"
        ) from None
    return Stage(*numbers)


def format_stages(stages: tuple[Stage, ...]) -> str:
    """Return stages as `parse_stages` reads them, to the last digit."""
    return ",".join(
        _write(stage.start_rate)
        + (f"-{_write(stage.end_rate)}" if stage.end_rate != stage.start_rate else "")
        + f"x{_write(stage.duration_seconds)}"
        for stage in stages
    )


def _write(number: float) -> str:
    return str(number).removesuffix(".0")
