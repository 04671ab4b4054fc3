"""What the endpoints of boards and seasons take and answer."""

from collections.abc import Mapping
from datetime import MINYEAR, UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec

from service.boards.rule import Rule, ScoreFormat
from service.boards.schedule import Schedule, WrongSchedule
from service.boards.words import Direction, Operator, Ties
from service.errors import FieldError, refuse_body
from service.http.examples import NOW, THEN
from service.validation import FIRST_MOMENT, LAST_MOMENT, MAX_SCORE, MIN_SCORE, STORABLE_TEXT

Score = Annotated[int, msgspec.Meta(ge=MIN_SCORE, le=MAX_SCORE)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=STORABLE_TEXT)]
GameMode = Annotated[str, msgspec.Meta(min_length=1, max_length=50, pattern=STORABLE_TEXT)]


class IntegerFormat(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="integer"
):
    """A score is written as it is."""

    @property
    def text(self) -> str:
        """As the database keeps it."""
        return "integer"


class DecimalFormat(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="decimal"
):
    """The last `scale` digits of a score are its decimals: with 2, 1250 is `12.50`."""

    scale: Annotated[int, msgspec.Meta(ge=1, le=6)]

    @property
    def text(self) -> str:
        """As the database keeps it."""
        return f"decimal:{self.scale}"


class DurationFormat(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="duration"
):
    """A score is a time in this unit: 83456 ms is `1:23.456`."""

    unit: Literal["ms", "s"]

    @property
    def text(self) -> str:
        """As the database keeps it."""
        return f"duration:{self.unit}"


Format = IntegerFormat | DecimalFormat | DurationFormat


class CronSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a season ends and the next begins: five fields of cron, in the time of an IANA zone."""

    cron: str
    timezone: str

    def parse(self) -> Schedule:
        """Return the schedule; raises `InvalidRequest` that names the field."""
        try:
            return Schedule.parse(self.cron, self.timezone)
        except WrongSchedule as error:
            raise refuse_body(f"schedule.{error.field}", str(error)) from error


class BoardRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new board: how a player's sessions make one score, and which score is better."""

    title: Annotated[Title, msgspec.Meta(description="For people; the slug if null.")] | None = None
    operator: Operator = Operator.SUM
    direction: Direction = Direction.HIGH
    ties: Ties = Ties.SHARED
    game_mode: GameMode | None = None
    min_score: Score | None = None
    max_score: Score | None = None
    format: Format = msgspec.field(default_factory=IntegerFormat)
    schedule: CronSchedule | None = None
    count_from: Annotated[
        str,
        msgspec.Meta(
            description=(
                "How far back the ledger counts: `now`, `ever` or a time stamp with its zone, and "
                "never beyond the beginning of the current season."
            ),
            examples=["now", "ever", "2026-11-01T00:00:00Z"],
        ),
    ] = "now"

    def to_rule(self) -> Rule:
        """Return the rule; raises `InvalidRequest` where the fields do not go together."""
        low, high = self.min_score, self.max_score
        if low is not None and high is not None and low > high:
            raise refuse_body("min_score", f"Expected at most `max_score`, which is {high}")
        return Rule(
            self.operator,
            self.direction,
            self.ties,
            self.game_mode,
            low,
            high,
            ScoreFormat(self.format.text),
            self.schedule.parse() if self.schedule else None,
        )

    def read_count_from(self) -> datetime | None:
        """Return the time from which on sessions count: null for `now`; raises `InvalidRequest`.

        Before all of them, for `ever`.
        """
        if self.count_from == "now":
            return None
        if self.count_from == "ever":
            return EVER
        try:
            moment = datetime.fromisoformat(self.count_from)
        except ValueError:
            moment = datetime.min  # noqa: DTZ901 - refused like any other without a zone
        if moment.tzinfo is None:
            raise refuse_body(
                "count_from",
                "Expected `now`, `ever` or a time stamp with its zone, like `2026-11-01T00:00:00Z`",
            )
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            # In the first or the last hours of the calendar: the last are refused as the future.
            return EVER if moment.year == MINYEAR else LAST_MOMENT

    @classmethod
    def example(cls) -> "BoardRule":
        return cls(
            title="Weekly laps",
            operator=Operator.BEST,
            direction=Direction.LOW,
            ties=Ties.FIRST,
            game_mode="race",
            min_score=10_000,
            format=DurationFormat("ms"),
            schedule=CronSchedule("0 0 * * 1", "Europe/Berlin"),
        )


EVER: Final = FIRST_MOMENT


class ChangeBoard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes; fields that are left out stay.

    A title changes at once. Any other field changes with the next season, or at once with
    `"apply": "recount"`, which counts the open season anew.
    """

    title: Title | msgspec.UnsetType = msgspec.UNSET
    operator: Operator | msgspec.UnsetType = msgspec.UNSET
    direction: Direction | msgspec.UnsetType = msgspec.UNSET
    ties: Ties | msgspec.UnsetType = msgspec.UNSET
    game_mode: GameMode | msgspec.UnsetType | None = msgspec.UNSET
    min_score: Score | msgspec.UnsetType | None = msgspec.UNSET
    max_score: Score | msgspec.UnsetType | None = msgspec.UNSET
    format: Format | msgspec.UnsetType = msgspec.UNSET
    schedule: CronSchedule | msgspec.UnsetType | None = msgspec.UNSET
    apply: Literal["recount"] | None = None

    def change(self, rule: Rule) -> Rule:
        """Return the rule with these changes; raises `InvalidRequest`."""
        before = describe_rule(rule)
        given = {
            name: value for name in before if (value := getattr(self, name)) is not msgspec.UNSET
        }
        return BoardRule(**before | given).to_rule()

    @classmethod
    def example(cls) -> "ChangeBoard":
        return cls(title="Laps of the week", max_score=600_000)


def describe_rule(rule: Rule) -> dict[str, Any]:
    """Return the fields of a rule as the API has them, by name."""
    return {
        "operator": rule.operator,
        "direction": rule.direction,
        "ties": rule.ties,
        "game_mode": rule.game_mode,
        "min_score": rule.min_score,
        "max_score": rule.max_score,
        "format": _describe_format(rule.score_format),
        "schedule": (
            CronSchedule(rule.schedule.cron, rule.schedule.timezone) if rule.schedule else None
        ),
    }


def _describe_format(score_format: ScoreFormat) -> Format:
    if score_format.kind == "decimal":
        return DecimalFormat(int(score_format.detail))
    if score_format.kind == "duration":
        return DurationFormat("ms" if score_format.detail == "ms" else "s")
    return IntegerFormat()


def compare_rules(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldError]:
    """Return the fields in which a request differs from what there is."""
    return [
        FieldError(name, f"It is {msgspec.json.encode(before[name]).decode()}")
        for name in before
        if before[name] != after[name]
    ]


class SeasonAnswer(msgspec.Struct, frozen=True):
    """One season. Both of its ends are null where there is none, `closed_at` until it is closed.

    It is `ending` from its end until the last session of it is counted and its result stored.
    """

    number: int
    state: Literal["open", "ending", "closed"]
    starts_at: datetime | None
    ends_at: datetime | None
    closed_at: datetime | None
    players: int
    revision: int

    @classmethod
    def example(cls) -> "SeasonAnswer":
        return cls(7, "open", THEN, THEN + timedelta(days=7), None, 3, 1)


class SeasonList(msgspec.Struct, frozen=True):
    """A board's seasons, newest first; `next` is the `after` that goes on from here."""

    seasons: list[SeasonAnswer]
    next: str | None

    @classmethod
    def example(cls) -> "SeasonList":
        return cls([SeasonAnswer.example()], None)


class BoardAnswer(msgspec.Struct, frozen=True, omit_defaults=False):
    """A board: the rule of its next season, its state, and the season that is open.

    `applies_from_season` is the season from which on this rule counts, where the open one has
    another: the next one, or the open one itself while that is counted anew.
    """

    slug: str
    title: str
    operator: Operator
    direction: Direction
    ties: Ties
    game_mode: str | None
    min_score: int | None
    max_score: int | None
    format: Format
    schedule: CronSchedule | None
    state: Literal["open", "filling", "archived"]
    season: SeasonAnswer
    players: int
    created_at: datetime
    applies_from_season: int | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def example(cls) -> "BoardAnswer":
        rule = describe_rule(BoardRule.example().to_rule())
        return cls(
            slug="weekly-laps",
            title="Weekly laps",
            **rule,
            state="open",
            season=SeasonAnswer.example(),
            players=3,
            created_at=NOW,
        )


class BoardList(msgspec.Struct, frozen=True):
    """Boards by slug; `next` is the `after` that goes on from here."""

    boards: list[BoardAnswer]
    next: str | None

    @classmethod
    def example(cls) -> "BoardList":
        return cls([BoardAnswer.example()], None)
