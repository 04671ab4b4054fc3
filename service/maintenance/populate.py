"""Populate: players and sessions by the million, made by PostgreSQL itself.

Players are made in chunks, each in one transaction with all their sessions and the standings that
these add up to. So the standings agree with the ledger at every moment, whatever is killed and
whatever traffic goes on meanwhile. The index falls behind; it is rebuilt at the end or, after a
crash, by the next refresh.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import asyncpg

from service.backends.database import Database, load_sql
from service.backends.locks import Lease
from service.boards.finder import Season, find_season
from service.boards.seasons import NOTE_SEASONS, READ_LEDGER_TIME, read_season_answer
from service.errors import UsageError
from service.maintenance.connections import (
    BULK_PLANS,
    COUNT_ROWS,
    STATEMENT_SECONDS,
    Connections,
    open_connections,
)
from service.maintenance.report import Report, Step
from service.players.service import LOCK_PLAYERS
from service.seasons.keeper import SeasonKeeper
from service.settings.settings import Settings
from service.standings.refresh.refresh import number_refresh
from service.standings.refresh.rerank import rerank

RESERVE_PLAYER_IDS: Final = load_sql("maintenance", "reserve_player_ids")
MAKE_PLAYERS: Final = load_sql("maintenance", "make_players")
MAKE_SESSIONS: Final = load_sql("maintenance", "make_sessions")
MAKE_STANDINGS: Final = load_sql("maintenance", "make_standings")
LIST_BOARDS_MET: Final = load_sql("maintenance", "list_boards_met")
EMPTY_DATABASE: Final = load_sql("maintenance", "empty_database")
VACUUM_TABLES: Final = load_sql("maintenance", "vacuum_tables")

# No commit waits for the disk but the last one, which flushes all before it too. The new sessions
# are read back by player, although the statistics may still be those of an empty table.
_CHUNK_PLANS: Final = f"""
    {BULK_PLANS}
    SET LOCAL synchronous_commit = off;
    SET LOCAL enable_seqscan = off;
"""

_BOARDS_NAMED: Final = 10

# As make_sessions.sql deals them out.
_MODES: Final = ("solo", "duo", "squad")

# Scores as they are drawn, unless a board's bounds leave them no room, and how far back they go.
_LOWEST_SCORE: Final = 0
_SCORES_REACH: Final = 5080
_TIME: Final = timedelta(days=30)

_SESSIONS_PER_CHUNK: Final = 100_000
_PLAYERS_PER_CHUNK: Final = 20_000
_MOST_SESSIONS_A_PLAYER: Final = 10_000

# PostgreSQL uses one processor for a connection.
_CHUNKS_AT_ONCE: Final = 2

# After this long the writer lock is given to whoever waits for it. Not after every chunk, because a
# refresh finds the index far behind and rebuilds all of it, which is expensive.
_LOCK_HOLD_SECONDS: Final = 60.0

Chunk: TypeAlias = tuple[int, int]
"""The first and the last of some players, by their place among all of them, from 1."""


@dataclass(frozen=True, slots=True)
class Population:
    """What to make. The same `seed` makes the same players, scores, modes and times.

    With a `season` every session is one that it counts: of its mode, within its bounds, since it
    began.
    """

    players: int
    sessions: int
    seed: int
    now: datetime
    id_before: int = 0
    season: Season | None = None

    @property
    def game_mode(self) -> str | None:
        """The mode of all sessions; None for several."""
        return None if self.season is None else self.season.rule.game_mode

    @property
    def scores(self) -> tuple[int, int]:
        """The lowest score, and how far above it they reach."""
        if self.season is None:
            return _LOWEST_SCORE, _SCORES_REACH
        low, high = self.season.rule.bounds
        reach = min(_SCORES_REACH, high - low)
        return min(max(_LOWEST_SCORE, low), high - reach), reach

    @property
    def time(self) -> timedelta:
        """How long before `now` the first session may come."""
        if self.season is None or self.season.starts_at is None:
            return _TIME
        return min(_TIME, self.now - self.season.starts_at)

    def split(self) -> list[Chunk]:
        """Return the first and last place, from 1, of each chunk of players."""
        sessions_a_player = max(1, self.sessions // self.players)
        size = max(1, min(_PLAYERS_PER_CHUNK, _SESSIONS_PER_CHUNK // sessions_a_player))
        return [
            (first, min(first + size - 1, self.players))
            for first in range(1, self.players + 1, size)
        ]


@dataclass(slots=True)
class _Tally:
    """What has been made so far, and stays."""

    players: int = 0
    sessions: int = 0

    def __str__(self) -> str:
        return f"{self.players:,} players and {self.sessions:,} sessions"

    def describe(self, seconds: float) -> str:
        """Return it with how fast that was."""
        return (
            f"{self.players:,} players ({self.players / seconds:,.0f}/s), "
            f"{self.sessions:,} sessions ({self.sessions / seconds:,.0f}/s)"
        )


async def populate(
    settings: Settings,
    *,
    players: int,
    sessions: int,
    seed: int,
    reset: bool,
    board: str | None = None,
) -> None:
    """Add players and their sessions, rank them, and warm the index. Shows its progress.

    With `reset`, everything that is there is deleted first. With a `board` the sessions are such as
    its season counts. Raises `UsageError`, `BoardNotFound`, `DatabaseUnavailable`,
    `CacheUnavailable` or `WriterBusy`; the chunks that were finished stay.
    """
    if sessions > players * _MOST_SESSIONS_A_PLAYER:
        raise UsageError(
            f"{sessions} sessions are too many for {players} players: "
            f"at most {_MOST_SESSIONS_A_PLAYER} each"
        )
    report = Report()
    async with open_connections(settings, application_name="leaderboard populate") as connections:
        await connections.require_redis()
        # What leaves no trace in the outbox counts only in seasons that are there.
        async with connections.hold_writer_lock() as lease:
            await SeasonKeeper(connections.database, connections.index()).add_due_seasons(lease)
            season = None if board is None else await _find_season(connections.database, board)
            now = await connections.database.fetch_value(READ_LEDGER_TIME)
        population = Population(players, sessions, seed, now, season=season)
        boards = await _list_boards(connections.database, population)
        more = f" and {len(boards) - _BOARDS_NAMED:,} more" if len(boards) > _BOARDS_NAMED else ""
        report.write(
            "What is made stays for ever and counts on each board whose rule it meets: "
            f"{', '.join(boards[:_BOARDS_NAMED])}{more}"
        )
        if reset:
            await _delete_everything(connections, report)
        id_before = await _reserve_player_ids(connections.database, players)
        population = replace(population, id_before=id_before)
        await _make_population(connections, population, report)
        with report.step("Statistics"):
            async with connections.database.connect() as connection:
                await connection.execute(VACUUM_TABLES, timeout=STATEMENT_SECONDS)
        with report.step("Index") as step:
            async with connections.hold_writer_lock():
                rebuilt = await connections.index().rebuild_outdated()
            step.facts = f"{len(rebuilt)} rebuilt, with names and top"
        with report.step("Ranks") as step:
            outcome = await rerank(connections.database, settings.slice_standings)
            step.facts = f"{outcome.ranks:,} stored"
        await connections.wake_refresh()
        if season is not None:
            with report.step("Board") as step:
                filled = await read_season_answer(connections.database, season.slug, season.number)
                step.facts = (
                    f"{season.slug}, season {filled.number}, {filled.state}: "
                    f"{filled.players:,} players"
                )


async def _find_season(database: Database, board: str) -> Season:
    """Return the season of a board that counts sessions now."""
    season = await find_season(database, board)
    if season.is_archived:
        raise UsageError(f"the board {board!r} counts nothing: it is archived")
    if season.is_filling:
        raise UsageError(f"the board {board!r} is being filled: wait until that is done")
    return season


async def _list_boards(database: Database, population: Population) -> list[str]:
    """Return the slugs of the boards that count some of a population."""
    modes = _MODES if population.game_mode is None else (population.game_mode,)
    low, reach = population.scores
    rows = await database.fetch(LIST_BOARDS_MET, modes, low, low + reach, population.now)
    return [row["slug"] for row in rows]


async def _delete_everything(connections: Connections, report: Report) -> None:
    rows = await connections.database.fetch_one(COUNT_ROWS)
    assert rows is not None
    facts = f"{rows['players']:,} players and {rows['sessions']:,} sessions"
    report.write(f"Deleting {facts}")
    with report.step("Deleted") as step:
        # A re-rank under way would store its ranks for the next players with these ids.
        async with (
            connections.hold_rerank_lock(),
            connections.hold_writer_lock() as lease,
        ):
            try:
                async with lease.transaction() as connection:
                    await connection.execute("SET LOCAL lock_timeout = '10s'")
                    await connection.execute(EMPTY_DATABASE)
                    await connection.execute(NOTE_SEASONS)
            except asyncpg.LockNotAvailableError as error:
                raise UsageError("the tables are in use: try --reset again") from error
            # Under the new epoch this is an empty index with an empty top for everyone to see.
            index = connections.index()
            await index.rebuild_outdated()
            await index.names.drop()
        step.facts = facts


async def _reserve_player_ids(database: Database, players: int) -> int:
    async with database.transaction() as connection:
        await connection.execute(LOCK_PLAYERS)
        id_before = await connection.fetchval(RESERVE_PLAYER_IDS, players)
    assert isinstance(id_before, int)
    return id_before


async def _make_population(
    connections: Connections, population: Population, report: Report
) -> None:
    """Make all of it; where that ends early, say what stays."""
    tally = _Tally()
    try:
        with report.step("Players and sessions", total=population.players) as step:
            await _make_all_chunks(connections, population, tally, step)
    except BaseException:
        if tally.players:
            report.write(f"Not finished: {tally} were made and stay")
        raise


async def _make_all_chunks(
    connections: Connections, population: Population, tally: _Tally, step: Step
) -> None:
    chunks = population.split()
    while chunks:
        async with connections.hold_writer_lock() as lease:
            lock_ends_at = time.monotonic() + _LOCK_HOLD_SECONDS
            while chunks and time.monotonic() < lock_ends_at:
                batch, chunks = chunks[:_CHUNKS_AT_ONCE], chunks[_CHUNKS_AT_ONCE:]
                before = tally.players
                await _make_chunks(lease, population, batch, tally)
                step.advance(tally.players - before, tally.describe(step.elapsed_seconds))


async def _make_chunks(
    lease: Lease, population: Population, chunks: Sequence[Chunk], tally: _Tally
) -> None:
    """Make some chunks side by side."""

    async def make(first: int, last: int) -> None:
        sessions = await _make_chunk(lease, population, first, last)
        tally.players += last - first + 1
        tally.sessions += sessions

    making = [make(*chunk) for chunk in chunks]
    # All have ended before an error of one is raised, which releases the lock.
    for outcome in await asyncio.gather(*making, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _make_chunk(lease: Lease, population: Population, first: int, last: int) -> int:
    """Make the players of some places; return how many sessions they have."""
    id_before = population.id_before
    places = (id_before, first, last, population.seed, population.now)
    async with lease.transaction() as connection:
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
            population.game_mode,
            *population.scores,
            population.time,
            timeout=STATEMENT_SECONDS,
        )
        sessions = int(status.rpartition(" ")[2])
        seasons = await connection.fetch(
            MAKE_STANDINGS, id_before + first, id_before + last, timeout=STATEMENT_SECONDS
        )
        if sessions:
            await number_refresh(
                connection,
                {season["season_id"]: season["players"] for season in seasons},
                sessions,
                latest_at=population.now,
            )
    return sessions
