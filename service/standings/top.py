"""The first players of a season, which every top shows the beginning of."""

from datetime import datetime
from typing import Final

import msgspec

from service.backends.database import Connection, load_sql
from service.standings.run import Run

SELECT_TOP: Final = load_sql("standings", "select_top")

TOP_LIMIT: Final = 100

_decode_top = msgspec.json.Decoder(Run).decode


async def select_top(
    connection: Connection, season_id: int, *, players: int, as_of: datetime
) -> Run:
    """Read the first players of a season from its standings."""
    rows = await connection.fetch(SELECT_TOP, season_id, TOP_LIMIT)
    return Run(
        user_ids=[row["player_id"] for row in rows],
        usernames=[row["username"] for row in rows],
        sort_scores=[row["sort_score"] for row in rows],
        tie_keys=[row["tie_key"] for row in rows],
        saturated=[row["player_id"] for row in rows if row["saturated"]],
        players=players,
        as_of=as_of,
    )


def parse_top(stored: bytes | str | None) -> Run | None:
    """Return the top that Redis holds, or None for none or one that is not ours."""
    try:
        return None if stored is None else _decode_top(stored)
    except msgspec.DecodeError:
        return None
