"""What a deployment of another size needs: `python -m tests.benchmarks.capacity`.

It measures what one session, standing, player, submit, fold, rank and top take, on a stack of its
own, and multiplies. `.github/decisions/capacity.md` has its tables and what follows from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

import click
import uvloop

from service.standings.refresh.refresh import Refresher
from service.standings.refresh.rerank import rerank
from tests.benchmarks.board_rows import read_memory
from tests.benchmarks.plan import HEADLINE_CONNECTIONS
from tests.benchmarks.processor_time import ProcessorMeter
from tests.benchmarks.report import describe_machine
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination
from tests.benchmarks.standings_rows import time_refresh
from tests.benchmarks.traffic import Kind, Target, name_generator, run_load

_SIZES: Final = tuple(
    (players, sessions)
    for players in (1_000_000, 10_000_000, 100_000_000)
    for sessions in (100_000_000, 1_000_000_000)
)
_ROLES: Final = ("API", "PostgreSQL", "Valkey", "worker")
_KEY_CHARACTERS: Final = 36
_FOLDED_AT_ONCE: Final = 10_000
_GIB: Final = 2**30

# Sessions as they arrive, for players in any order: so the index by player is as full as it stays.
_MAKE_TABLE: Final = "CREATE TABLE arrival (LIKE game_session INCLUDING ALL)"
_MAKE_ARRIVALS: Final = """
    INSERT INTO arrival (player_id, score, idempotency_key)
    SELECT $1::bigint + floor(random() * $2::bigint), floor(random() * 1000),
        CASE WHEN $3::boolean THEN gen_random_uuid()::text END
    FROM generate_series(1, $4::bigint)
"""
_WAL: Final = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
_READ_SIZE: Final = """
    SELECT pg_table_size($1::text::regclass) AS heap, pg_indexes_size($1::text::regclass) AS indexes
"""


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a table, or of one of its rows."""

    heap: float
    indexes: float

    @property
    def total(self) -> float:
        """Heap and indexes together."""
        return self.heap + self.indexes

    def minus(self, other: "Size") -> "Size":
        """Return by how much it is larger than another one."""
        return Size(self.heap - other.heap, self.indexes - other.indexes)

    def of_each(self, rows: float) -> "Size":
        """Return the size of one of so many rows."""
        return Size(self.heap / rows, self.indexes / rows)


@dataclass(frozen=True, slots=True)
class Units:
    """What one of each takes: bytes; processor time in microseconds, by role; seconds."""

    session: Size
    keyed_session: Size
    outbox: Size
    player: Size
    standing: Size
    stored_rank: Size
    wal_bytes: float
    index_bytes: float
    name_bytes: float
    processor_us: Mapping[str, Mapping[str, float]]
    fold_us: float
    fold_seconds: float
    rerank_us: float


@click.command()
@click.option("--players", type=click.IntRange(min=20_000), default=100_000, show_default=True)
@click.option("--sessions", type=click.IntRange(min=20_000), default=1_000_000, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 60), default=10, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 100), default=30, show_default=True)
def main(players: int, sessions: int, seconds: int, rounds: int) -> None:
    """Measure what one of each takes; print that, and what larger boards come to."""
    stop_on_termination()
    units = uvloop.run(_measure(players, sessions, seconds, rounds))
    facts = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    click.echo(f"{players:,} players, {sessions:,} sessions; load from {name_generator()}; {facts}")
    _print_units(units)
    _print_sizes(units)


async def _measure(players: int, sessions: int, seconds: int, rounds: int) -> Units:
    async with run_stack(processes=1) as stack:
        _say("populating")
        await stack.populate(players, sessions)
        target = await stack.find_target()
        _say("sessions as they arrive")
        session, keyed_session = [
            await _measure_arrivals(stack, target, sessions, with_key=with_key)
            for with_key in (False, True)
        ]
        await stack.wait_until_quiet()

        async def load(kind: Kind) -> Mapping[str, float]:
            _say(kind)
            processes = stack.find_processes
            found = await run_load(
                target, kind, connections=HEADLINE_CONNECTIONS, seconds=seconds,
                find_processes=processes,
            )  # fmt: skip
            assert found.errors == 0
            return found.processor_us

        processor_us = {"top": await load("top"), "rank": await load("rank")}
        processor_us["submit, and its fold"] = await load("submit")
        async with stack.paused("worker", "scheduler"):
            wal = await _ask(stack, _WAL)
            before = await _read_size(stack, "outbox")
            processor_us["submit"] = await load("submit")
            pending = await _ask(stack, "SELECT count(*) FROM pending_session")
            wal_bytes = (await _ask(stack, _WAL) - wal) / pending
            outbox = (await _read_size(stack, "outbox")).minus(before).of_each(pending)
            _say("fold")
            connections = stack.connections
            refresher = Refresher(connections.database, connections.redis, connections.settings)
            while (await refresher.refresh()).more:
                pass
            folds = [await time_refresh(stack, target, _FOLDED_AT_ONCE) for _ in range(rounds)]
            meter = ProcessorMeter(stack.find_processes)
            await rerank(connections.database)
            reranked = meter.read()
        index_bytes, name_bytes = await read_memory(stack)
        player, standing, stored_rank = [
            # Each standing has changed some times by now.
            (await _read_size(stack, table)).of_each(players)
            for table in ("player", "standing", "rank_block")
        ]
        return Units(
            session=session,
            keyed_session=keyed_session,
            outbox=outbox,
            player=player,
            standing=standing,
            stored_rank=stored_rank,
            wal_bytes=wal_bytes,
            index_bytes=index_bytes,
            name_bytes=name_bytes,
            processor_us=processor_us,
            fold_us=1e6 * median(one.processor_seconds for one in folds) / _FOLDED_AT_ONCE,
            fold_seconds=median(one.seconds for one in folds) / _FOLDED_AT_ONCE,
            rerank_us=1e6 * reranked.processor_seconds / players,
        )


async def _measure_arrivals(stack: Stack, target: Target, sessions: int, *, with_key: bool) -> Size:
    """Return what a session takes where they come for players in any order."""
    database = stack.connections.database
    players = target.players
    async with database.connect() as connection:
        await connection.execute(_MAKE_TABLE)
        await connection.execute(
            _MAKE_ARRIVALS, players.start, len(players), with_key, sessions, timeout=3600
        )
        size = await _read_size(stack, "arrival")
        await connection.execute("DROP TABLE arrival")
    return size.of_each(sessions)


async def _read_size(stack: Stack, table: str) -> Size:
    row = await stack.connections.database.fetch_one(_READ_SIZE, table)
    assert row is not None
    return Size(row["heap"], row["indexes"])


async def _ask(stack: Stack, question: str) -> float:
    row = await stack.connections.database.fetch_one(question)
    assert row is not None
    return float(row[0])


def _print_units(units: Units) -> None:
    _print_row("bytes in PostgreSQL", "heap", "indexes")
    _print_row("---", "---:", "---:")
    for name, size in (
        ("session", units.session),
        (f"session with a key of {_KEY_CHARACTERS} characters", units.keyed_session),
        ("session in the outbox, until it is folded", units.outbox),
        ("player", units.player),
        ("standing, a player and season", units.standing),
        ("stored rank, a player and season", units.stored_rank),
    ):
        _print_row(name, f"{size.heap:.0f}", f"{size.indexes:.0f}")
    click.echo(f"\nWAL: {units.wal_bytes:.0f} bytes a submit")
    click.echo(
        f"Redis: {units.index_bytes:.1f} bytes a standing in the index,"
        f" {units.name_bytes:.1f} a name\n"
    )
    _print_row("µs of processor time", *_ROLES, "together")
    _print_row("---", *["---:"] * (len(_ROLES) + 1))
    for name, by_role in units.processor_us.items():
        figures = [by_role.get(role, 0.0) for role in _ROLES]
        _print_row(name, *(f"{us:.0f}" for us in [*figures, sum(figures)]))
    click.echo(
        f"\na session of a fold of {_FOLDED_AT_ONCE:,}: {units.fold_us:.1f} µs of processor time in"
        f" {1e6 * units.fold_seconds:.1f} µs; a standing of a re-rank: {units.rerank_us:.2f} µs\n"
    )


def _print_sizes(units: Units) -> None:
    """Print what boards come to; players have one season, and sessions have keys."""
    _print_row(
        "players", "sessions", "ledger", "its indexes", "players and standings",
        "PostgreSQL in all", "Redis", "Redis while an index is built", "a re-rank",
    )  # fmt: skip
    _print_row(*["---:"] * 9)
    of_player = units.player.total + units.standing.total + units.stored_rank.total
    for players, sessions in _SIZES:
        ledger = sessions * units.keyed_session.total
        standings = players * of_player
        redis = players * (units.index_bytes + units.name_bytes)
        _print_row(
            f"{players:,}",
            f"{sessions:,}",
            _gib(ledger),
            _gib(sessions * units.keyed_session.indexes),
            _gib(standings),
            _gib(ledger + standings),
            _gib(redis),
            _gib(redis + players * units.index_bytes),
            f"{players * units.rerank_us / 1e6:,.0f} s",
        )


def _print_row(*cells: str) -> None:
    click.echo(f"| {' | '.join(cells)} |")


def _gib(size: float) -> str:
    return f"{size / _GIB:,.1f} GiB"


def _say(what: str) -> None:
    click.echo(what, err=True)


if __name__ == "__main__":
    main()
