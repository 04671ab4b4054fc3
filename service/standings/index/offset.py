"""The offset: how far an index has followed the standings."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg


@dataclass(frozen=True, slots=True)
class Offset:
    """Which database (`epoch`), which of its refreshes (`number`), and when that was (`as_of`).

    `players` is how many the index holds at that refresh: one that lost some is known by its size.
    `token` is what the refresh drew: a database that went back, because a standby without the last
    refreshes was promoted, counts their numbers again, and draws other tokens.

    In Redis it is the string "<epoch>:<number>.<token>/<players>@<as_of in Unix milliseconds>". Two
    offsets are equal where everything but the time is.
    """

    epoch: str
    number: int
    players: int
    as_of: datetime = field(compare=False)
    token: int = 0

    @classmethod
    def of_season(cls, row: asyncpg.Record) -> "Offset":
        """Return the offset that a season's index must have (list_open_seasons.sql).

        Before the first refresh of a database its empty index counts as of now.
        """
        return cls(
            epoch=str(row["epoch"]),
            number=row["last_refresh"],
            players=row["players"],
            as_of=row["refreshed_at"] or datetime.now(UTC),
            token=row["refresh_token"],
        )

    @classmethod
    def parse(cls, stored: bytes | str | None) -> "Offset | None":
        """Return the offset that Redis holds, or None for none or one that is not ours."""
        text = stored.decode(errors="replace") if isinstance(stored, bytes) else stored or ""
        position, _, milliseconds = text.partition("@")
        epoch, _, counts = position.partition(":")
        refresh, _, players = counts.partition("/")
        number, _, token = refresh.partition(".")
        if not all(count.isdecimal() for count in (number, token, players, milliseconds)):
            return None
        try:
            as_of = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
            return cls(epoch, int(number), int(players), as_of, int(token))
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def position(self) -> str:
        """The offset without its time."""
        return f"{self.epoch}:{self.number}.{self.token}/{self.players}"

    def __str__(self) -> str:
        return f"{self.position}@{round(self.as_of.timestamp() * 1000)}"
