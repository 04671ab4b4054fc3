"""The stored first entries of a season, which every `/top` shows the beginning of."""

from datetime import datetime
from typing import Final

import msgspec

from service.backends.database import Connection, load_sql
from service.standings.schemas import Entry, Top

SELECT_TOP: Final = load_sql("standings", "select_top")

TOP_LIMIT: Final = 100

encode_top = msgspec.json.Encoder().encode
_decode_top = msgspec.json.Decoder(Top).decode


async def select_top(
    connection: Connection, season_id: int, *, players: int, as_of: datetime
) -> Top:
    """Read the first entries of a season from its standings."""
    rows = await connection.fetch(SELECT_TOP, season_id, TOP_LIMIT)
    entries = [
        Entry(
            user_id=row["player_id"],
            username=row["username"],
            total_score=row["score"],
            rank=row["rank"],
            saturated=row["saturated"],
        )
        for row in rows
    ]
    return Top(leaderboard=entries, players=players, as_of=as_of)


def parse_top(stored: bytes | str | None) -> Top | None:
    """Return the top that Redis holds, or None for none or one that is not ours."""
    try:
        return None if stored is None else _decode_top(stored)
    except msgspec.DecodeError:
        return None
