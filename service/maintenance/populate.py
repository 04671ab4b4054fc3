"""Populate: players and sessions by the million, made by PostgreSQL itself.

Players are made in chunks, each in one transaction with all their sessions and the standings that
these add up to. So the standings agree with the ledger at every moment, whatever is killed and
whatever traffic runs beside it; the index is behind, and is rebuilt at the end, or by the next
refresh after a crash.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import asyncpg

from service.backends.database import load_sql
from service.boards.service import LIST_OPEN_SEASONS
from service.errors import UsageError
from service.maintenance.connections import (
    BULK_PLANS,
    LOCK_WAIT_SECONDS,
    STATEMENT_SECONDS,
    Servers,
    open_servers,
)
from service.maintenance.progress import Report
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.locks import hold_rerank_lock, hold_writer_lock
from service.standings.refresh.refresh import NUMBER_REFRESH
from service.standings.refresh.rerank import rerank

RESERVE_PLAYER_IDS: Final = load_sql("maintenance", "reserve_player_ids")
MAKE_PLAYERS: Final = load_sql("maintenance", "make_players")
MAKE_SESSIONS: Final = load_sql("maintenance", "make_sessions")
MAKE_STANDINGS: Final = load_sql("maintenance", "make_standings")
EMPTY_DATABASE: Final = load_sql("maintenance", "empty_database")
COUNT_ROWS: Final = load_sql("maintenance", "count_rows")
SETTLE_TABLES: Final = load_sql("maintenance", "settle_tables")

# Nobody waits for the disk until the last commit, which puts all before it there too. The new
# sessions are read back by player, whatever the statistics of a table say that was empty just now.
_CHUNK_PLANS: Final = f"""
    {BULK_PLANS}
    SET LOCAL synchronous_commit = off;
    SET LOCAL enable_seqscan = off;
"""

_SESSIONS_PER_CHUNK: Final = 100_000
_PLAYERS_PER_CHUNK: Final = 20_000
_MOST_SESSIONS_A_PLAYER: Final = 10_000

# PostgreSQL uses one processor for a connection.
_LANES: Final = 2

# Then whoever waits for the writer lock gets a turn: an index that is far behind is rebuilt as a
# whole, which is dear, so not after every chunk.
_SPELL_SECONDS: Final = 60.0


# The first and the last place of some players, from 1.
Chunk: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Population:
    """What is to be made. The same `seed` makes the same players, scores, modes and times."""

    players: int
    sessions: int
    seed: int
    id_before: int
    now: datetime

    def split(self) -> list[Chunk]:
        """Return the first and last place, from 1, of each chunk of players."""
        sessions_a_player = max(1, self.sessions // self.players)
        size = max(1, min(_PLAYERS_PER_CHUNK, _SESSIONS_PER_CHUNK // sessions_a_player))
        return [
            (first, min(first + size - 1, self.players))
            for first in range(1, self.players + 1, size)
        ]


async def populate(
    settings: Settings, *, players: int, sessions: int, seed: int, reset: bool
) -> None:
    """Add players and their sessions, rank them, and warm the index. Shows its progress.

    With `reset`, everything that is there is deleted first. Raises `UsageError`,
    `DatabaseUnavailable`, `CacheUnavailable` or `WriterBusy`; the chunks that were finished stay.
    """
    if sessions > players * _MOST_SESSIONS_A_PLAYER:
        raise UsageError(
            f"{sessions} sessions are too many for {players} players: "
            f"at most {_MOST_SESSIONS_A_PLAYER} each"
        )
    report = Report()
    async with open_servers(settings, application_name="leaderboard populate") as servers:
        await servers.require_redis()
        if reset:
            await _empty_servers(servers, report)
        id_before = await _reserve_player_ids(servers, players)
        population = Population(players, sessions, seed, id_before, datetime.now(UTC))
        await _make_population(servers, population, report)
        with report.step("Statistics"):
            async with servers.database.connect() as connection:
                await connection.execute(SETTLE_TABLES, timeout=STATEMENT_SECONDS)
        with report.step("Index") as step:
            async with hold_writer_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS):
                rebuilt = await Index(servers.redis, servers.database).rebuild_outdated()
            step.facts = f"{len(rebuilt)} rebuilt, with names and top"
        with report.step("Ranks") as step:
            outcome = await rerank(servers.database)
            step.facts = f"{outcome.ranks:,} stored"
        await servers.wake_refresh()


async def _empty_servers(servers: Servers, report: Report) -> None:
    rows = await servers.database.fetch_one(COUNT_ROWS)
    assert rows is not None
    facts = f"{rows['players']:,} players and {rows['sessions']:,} sessions"
    report.write(f"Deleting {facts}")
    with report.step("Deleted") as step:
        # A re-rank under way would store its ranks for the next players with these ids.
        async with (
            hold_rerank_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
            hold_writer_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS),
        ):
            try:
                async with servers.database.transaction() as connection:
                    await connection.execute("SET LOCAL lock_timeout = '10s'")
                    await connection.execute(EMPTY_DATABASE)
            except asyncpg.LockNotAvailableError as error:
                raise UsageError("the tables are in use: try --reset again") from error
            # Under the new epoch this is an empty index with an empty top for everyone to see.
            index = Index(servers.redis, servers.database)
            await index.rebuild_outdated()
            for season in await servers.database.fetch(LIST_OPEN_SEASONS):
                await index.drop_names(season["season_id"])
        step.facts = facts


async def _reserve_player_ids(servers: Servers, players: int) -> int:
    async with servers.database.transaction() as connection:
        await connection.execute("LOCK TABLE player IN SHARE ROW EXCLUSIVE MODE")
        id_before = await connection.fetchval(RESERVE_PLAYER_IDS, players)
    assert isinstance(id_before, int)
    return id_before


async def _make_population(servers: Servers, population: Population, report: Report) -> None:
    chunks = population.split()
    made_players = made_sessions = 0
    with report.step("Players and sessions", total=population.players) as step:
        while chunks:
            async with hold_writer_lock(servers.database, wait_seconds=LOCK_WAIT_SECONDS):
                spell_ends_at = time.monotonic() + _SPELL_SECONDS
                while chunks and time.monotonic() < spell_ends_at:
                    round_, chunks = chunks[:_LANES], chunks[_LANES:]
                    players = sum(last - first + 1 for first, last in round_)
                    made_players += players
                    made_sessions += await _make_chunks(servers, population, round_)
                    seconds = step.elapsed_seconds
                    step.advance(
                        players,
                        f"{made_players:,} players ({made_players / seconds:,.0f}/s), "
                        f"{made_sessions:,} sessions ({made_sessions / seconds:,.0f}/s)",
                    )


async def _make_chunks(servers: Servers, population: Population, chunks: Sequence[Chunk]) -> int:
    """Make some chunks at the same time; return how many sessions they have."""
    making = [_make_chunk(servers, population, first, last) for first, last in chunks]
    sessions = 0
    # All have ended before one's error is raised, and with it the lock is given up.
    for made in await asyncio.gather(*making, return_exceptions=True):
        if isinstance(made, BaseException):
            raise made
        sessions += made
    return sessions


async def _make_chunk(servers: Servers, population: Population, first: int, last: int) -> int:
    """Make the players of some places; return how many sessions they have."""
    id_before = population.id_before
    places = (id_before, first, last, population.seed, population.now)
    async with servers.database.transaction() as connection:
        await connection.execute(_CHUNK_PLANS)
        try:
            await connection.execute(MAKE_PLAYERS, *places, timeout=STATEMENT_SECONDS)
        except asyncpg.UniqueViolationError as error:
            raise UsageError(
                f"there is such a player already: {error.detail} Populate again for other ids."
            ) from error
        status = await connection.execute(
            MAKE_SESSIONS,
            *places,
            population.players,
            population.sessions,
            timeout=STATEMENT_SECONDS,
        )
        sessions = int(status.rpartition(" ")[2])
        seasons = await connection.fetch(
            MAKE_STANDINGS, id_before + first, id_before + last, timeout=STATEMENT_SECONDS
        )
        if sessions:
            await connection.fetch(
                NUMBER_REFRESH,
                [season["season_id"] for season in seasons],
                [season["players"] for season in seasons],
                sessions,
            )
    return sessions
