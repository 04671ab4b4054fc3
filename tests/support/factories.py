"""Players, sessions and boards for tests, written as the service writes them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from service.backends.database import Database
from service.players.service import REGISTER_PLAYERS
from service.sessions.service import RECORD_SESSIONS

_numbers = count(1)


async def make_player(
    database: Database, username: str | None = None, external_id: str | None = None
) -> int:
    """Register a player, by default under a name that nobody has; return the id."""
    name = f"player {next(_numbers)}" if username is None else username
    row = await database.fetch_one(REGISTER_PLAYERS, [name], [external_id])
    assert row is not None, f"the name {name} is taken"
    user_id = row["user_id"]
    assert isinstance(user_id, int)
    return user_id


async def make_players(database: Database, number: int) -> list[int]:
    """Register players; their ids ascend."""
    return [await make_player(database) for _ in range(number)]


async def record_scores(
    database: Database, *scores: tuple[int, int], game_mode: str = "solo"
) -> list[int]:
    """Write (user id, score) pairs to ledger and outbox; return the session ids."""
    rows = await database.fetch(
        RECORD_SESSIONS,
        [user_id for user_id, _ in scores],
        [score for _, score in scores],
        [game_mode] * len(scores),
        [None] * len(scores),
        [None] * len(scores),
    )
    return [row["session_id"] for row in rows]


async def make_players_with_scores(database: Database, scores: Sequence[int]) -> list[int]:
    """Register a player for each score, in this order, and write it down; return their ids."""
    user_ids = await make_players(database, len(scores))
    await record_scores(database, *zip(user_ids, scores, strict=True))
    return user_ids


async def count_players(database: Database) -> None:
    """Have each season know how many stand in it, after standings were written by hand."""
    await database.fetch(
        """
        UPDATE season_refresh SET players = (
            SELECT count(*) FROM standing WHERE standing.season_id = season_refresh.season_id
        )
        """
    )


async def make_season(
    database: Database,
    slug: str,
    *,
    operator: str = "sum",
    direction: str = "high",
    ties: str = "shared",
    game_mode: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> int:
    """Make a board with one open season; without `starts_at` it counts from the beginning."""
    row = await database.fetch_one(
        """
        WITH rule AS (
            INSERT INTO rule (operator, direction, ties, game_mode)
            VALUES ($2, $3, $4, $5)
            RETURNING id
        ),
        board AS (
            INSERT INTO board (slug, title, rule_id) SELECT $1, $1, id FROM rule
            RETURNING id, rule_id
        ),
        season AS (
            INSERT INTO season (board_id, number, rule_id, starts_at, ends_at)
            SELECT id, 1, rule_id, coalesce($6, '-infinity'::timestamptz), $7 FROM board
            RETURNING id
        )
        INSERT INTO season_refresh (season_id) SELECT id FROM season RETURNING season_id AS id
        """,
        slug,
        operator,
        direction,
        ties,
        game_mode,
        starts_at,
        ends_at,
    )
    assert row is not None
    season_id = row["id"]
    assert isinstance(season_id, int)
    return season_id


async def find_global_season(database: Database) -> int:
    """Return the id of the season that `/api/leaderboard` shows."""
    row = await database.fetch_one(
        "SELECT season.id FROM season JOIN board ON board.id = board_id WHERE slug = 'global'"
    )
    assert row is not None
    season_id = row["id"]
    assert isinstance(season_id, int)
    return season_id
