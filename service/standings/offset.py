"""How far an index has followed the standings."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg


@dataclass(frozen=True, slots=True)
class Offset:
    """Which database (`epoch`), which of its refreshes (`number`), and when that was (`as_of`).

    In Redis it is the string "<epoch>:<number>@<as_of in Unix milliseconds>". Two offsets are equal
    where epoch and number are.
    """

    epoch: str
    number: int
    as_of: datetime = field(compare=False)

    @classmethod
    def of_season(cls, row: asyncpg.Record) -> "Offset":
        """Return the offset that a season's index must have (list_open_seasons.sql).

        Before the first refresh of a database its empty index is as of now.
        """
        return cls(
            epoch=str(row["epoch"]),
            number=row["last_refresh"],
            as_of=row["refreshed_at"] or datetime.now(UTC),
        )

    @classmethod
    def parse(cls, stored: bytes | str | None) -> "Offset | None":
        """Return the offset that Redis holds, or None for no offset or none of ours."""
        text = stored.decode(errors="replace") if isinstance(stored, bytes) else stored or ""
        position, _, milliseconds = text.partition("@")
        epoch, _, number = position.partition(":")
        if not (number.isdecimal() and milliseconds.isdecimal()):
            return None
        try:
            as_of = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
            return cls(epoch=epoch, number=int(number), as_of=as_of)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def position(self) -> str:
        """The offset without its time."""
        return f"{self.epoch}:{self.number}"

    def __str__(self) -> str:
        return f"{self.position}@{round(self.as_of.timestamp() * 1000)}"
