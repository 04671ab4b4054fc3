"""Rows about more boards than one, on the stack of the run or on two of their own.

The boards that they make stay: rows about `global` alone come before these.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from dashboard.simulation.workload.plan import Mix, RunOptions
from service.backends.redis import SeasonKeys
from service.boards.finder import find_season
from service.moderation.service import NOTE_CHANGE
from service.standings.refresh.refresh import Refresher
from tests.benchmarks.board_rows import measure_restart
from tests.benchmarks.freshness import (
    PROBES_A_SECOND,
    SUBMITS_A_SECOND,
    describe_load,
    make_row,
    measure_freshness,
    run_steadily,
    summarize,
)
from tests.benchmarks.plan import HEADLINE_CONNECTIONS
from tests.benchmarks.processor_time import Cost, ProcessorMeter
from tests.benchmarks.results import Budget, Context, Row, Series, compare_costs
from tests.benchmarks.stack import Stack, run_stack
from tests.benchmarks.standings_rows import reach_steady_state, time_refresh
from tests.benchmarks.traffic import Kind, LoadResult, run_load, simulate
from tests.support.waiting import wait_until

NAMES = ("boards", "closing", "long-history", "thousand")

_SUBMITS: Final = 10_000
_FILL_SECONDS: Final = 1_800.0
_CLOSE_SECONDS: Final = 600.0
_REFRESHES_PER_ROUND: Final = 3
_SESSIONS_OF_ONE: Final = 10_000
_BOARDS: Final = 1_000

# Of processor time and of throughput: the same either way round.
_READS_BUDGETS: Final = {True: Budget("ratio", most=1 / 0.9), False: Budget("ratio", least=0.9)}

# With `global` five that count every session.
_RULES: Final[dict[str, dict[str, Any]]] = {
    "sums": {},
    "bests": {"operator": "best"},
    "firsts": {"operator": "best", "direction": "low", "ties": "first"},
    "lasts": {"operator": "latest"},
}

_GIVE_SESSIONS: Final = """
    INSERT INTO game_session (player_id, score) SELECT $1, n % 1000 FROM generate_series(1, $2) AS n
"""
_GIVE_MODES: Final = "UPDATE game_session SET game_mode = 'mode-' || player_id % $1"
# As folds would have made them: every player has one session of one mode.
_SPREAD: Final = """
    WITH spread AS (
        INSERT INTO standing
            (season_id, player_id, score, sort_score, sessions, reached_at, session_id)
        SELECT season.id, player_id, score, sort_score, sessions, reached_at, session_id
        FROM standing
        JOIN rule ON rule.game_mode = 'mode-' || player_id % $1
        JOIN season ON season.rule_id = rule.id AND season.number = 1
        WHERE standing.season_id = $2
        RETURNING season_id
    )
    UPDATE season_refresh SET players = counted.players
    FROM (SELECT season_id, count(*) AS players FROM spread GROUP BY 1) AS counted
    WHERE season_refresh.season_id = counted.season_id
"""


async def measure_boards(context: Context, names: Collection[str]) -> list[Row]:
    """Measure the rows asked for."""
    rows: list[Row] = []
    if "long-history" in names:
        rows.append(await _measure_long_history(context))
    if {"boards", "closing"} & set(names):
        async with httpx.AsyncClient(base_url=context.target.url, timeout=60) as client:
            if "boards" in names:
                rows += await _measure_five(context, client)
            if "closing" in names:
                rows += await _measure_closing(context, client)
                rows += await _measure_closing_under_load(context, client)
    if "thousand" in names:
        rows += await _measure_thousand(context)
    return rows


async def _measure_five(context: Context, client: httpx.AsyncClient) -> list[Row]:
    stack, plan = context.stack, context.plan
    async with stack.paused("worker", "scheduler"):
        context.say("boards: refresh with one")
        one = await _time_refreshes(context)
    rows = [await _measure_filling(context, client)]
    for slug in [*_RULES][1:]:
        context.say(f"boards: filling {slug}")
        await _make_filled(client, slug)
    rows.append(await _measure_memory(stack, "bests", most=100))
    rows.append(await _measure_memory(stack, "firsts", most=120))
    rows += [row for kind in ("top", "rank") for row in await _compare_reads(context, kind)]
    async with stack.paused("worker", "scheduler"):
        context.say("boards: refresh with five")
        five = await _time_refreshes(context)
    budget = Budget("ratio", most=3)
    rows += compare_costs(
        "boards",
        f"refresh after {_SUBMITS:,} submits, five boards of {plan.players:,} players",
        five,
        one,
        reference_what="the same with one board",
        is_speed_up=False,
        time_budget=budget,
        processor_budget=budget,
    )
    return rows + [
        replace(row, name="boards", what=f"five boards: {row.what}")
        for row in await measure_freshness(context)
    ]


async def _time_refreshes(context: Context) -> list[Cost]:
    await reach_steady_state(context.stack, context.target)
    return [
        await time_refresh(context.stack, context.target, min(_SUBMITS, context.plan.players))
        for _ in range(context.plan.rounds * _REFRESHES_PER_ROUND)
    ]


async def _make_filled(client: httpx.AsyncClient, slug: str) -> float:
    """Make a board of all that the ledger has; return after how many seconds it is read."""
    started_at = time.perf_counter()
    made = await client.put(f"/api/boards/{slug}", json=_RULES[slug] | {"count_from": "ever"})
    made.raise_for_status()

    async def is_filled() -> bool:
        return bool((await client.get(f"/api/boards/{slug}")).json()["state"] == "open")

    await wait_until(is_filled, seconds=_FILL_SECONDS)
    return time.perf_counter() - started_at


@asynccontextmanager
async def _traffic(context: Context) -> AsyncIterator[None]:
    """Send some submits and reads for as long as the block takes."""
    players = random.sample(context.target.players, min(10_000, len(context.target.players)))
    options = RunOptions(
        rate=200,
        duration_seconds=_FILL_SECONDS,
        players=len(players),
        seed=random.randrange(2**32),
        mix=Mix.parse("submit=2,top=1,rank=1"),
    )
    load = asyncio.create_task(simulate(context.target, options, players=players))
    try:
        yield
        assert not load.done(), load.exception()
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


async def _measure_filling(context: Context, client: httpx.AsyncClient) -> Row:
    context.say("boards: rebuild, for comparison")
    started_at = time.perf_counter()
    await context.stack.run_command("rebuild")
    rebuild = Series.of([time.perf_counter() - started_at])
    context.say("boards: filling one from the past")
    async with _traffic(context):
        filled = Series.of([await _make_filled(client, "sums")])
    return Row(
        name="boards",
        what=f"new board from {context.plan.sessions:,} sessions, beside 200 requests a second",
        unit="s",
        budget=Budget("ratio", most=1.5),
        figure=filled,
        reference=rebuild,
        reference_what="`rebuild` where nothing is wrong, nothing beside it",
        ratio=filled.over(rebuild),
    )


async def _measure_memory(stack: Stack, slug: str, *, most: float) -> Row:
    """Measure what one more board takes in Valkey: its index and, by `first`, its tie keys."""
    redis = stack.connections.redis
    season = await find_season(stack.connections.database, slug)
    keys = SeasonKeys.of(season.season_id)
    players = await wait_until(lambda: redis.zcard(keys.index))
    found = [key async for key in redis.scan_iter(f"leaderboard:{{{season.season_id}}}:*", 10_000)]
    pipeline = redis.pipeline(transaction=False)
    for key in found:
        pipeline.memory_usage(key, samples=0)
    used = sum(await pipeline.execute())
    return Row(
        name="boards",
        what=f"one more board in Redis, ties {season.rule.ties.value}",
        unit="bytes a player",
        budget=Budget("figure", most=most),
        figure=Series.of([used / players]),
        notes=(f"{len(found):,} keys, {players:,} players; names are kept once for all boards",),
    )


async def _compare_reads(context: Context, kind: Kind) -> list[Row]:
    """Read another board and `global` in turns."""
    await context.stack.wait_until_quiet()
    runs: dict[str | None, list[LoadResult]] = {None: [], "sums": []}
    for number in range(1, context.plan.rounds + 1):
        context.say(f"boards: {kind}, round {number}")
        for board, some in runs.items():
            some.append(
                await run_load(
                    replace(context.target, board=board),
                    kind,
                    connections=HEADLINE_CONNECTIONS,
                    seconds=context.plan.seconds,
                    find_processes=context.stack.find_processes,
                )
            )
    rows = []
    for is_processor in (True, False):
        other, own = (
            Series.of([run.server_us if is_processor else run.per_second for run in runs[board]])
            for board in ("sums", None)
        )
        rows.append(
            Row(
                name="boards",
                what=f"`{kind}` of another board, {HEADLINE_CONNECTIONS} connections",
                unit="µs" if is_processor else "/s",
                figure=other,
                budget=_READS_BUDGETS[is_processor],
                reference=own,
                reference_what="the same of `global`",
                ratio=other.over(own),
                processor=is_processor,
                notes=(f"{sum(run.errors for some in runs.values() for run in some)} errors",),
            )
        )
    return rows


async def _measure_closing(context: Context, client: httpx.AsyncClient) -> list[Row]:
    """Close a season of all players, and read another board beside it."""
    slug = "sums"
    await _fill_missing(context, client, slug)
    await context.stack.wait_until_quiet()

    async def read_until(done: asyncio.Event) -> list[float]:
        times = []
        while not done.is_set():
            player = random.choice(context.target.players)
            started_at = time.perf_counter()
            (await client.get(f"/api/leaderboard/rank/{player}")).raise_for_status()
            times.append(1000 * (time.perf_counter() - started_at))
        return sorted(times)

    async def take_seconds() -> None:
        await asyncio.sleep(context.plan.seconds)

    async def close() -> None:
        endings.append(await _close(client, slug))

    endings: list[float] = []
    medians = []
    for what in (take_seconds(), close()):
        context.say("closing: reads beside")
        done = asyncio.Event()
        reading = asyncio.create_task(read_until(done))
        await what
        done.set()
        times = await reading
        medians.append(Series.of([times[len(times) // 2]]))
    before, meanwhile = medians
    return [
        Row(
            name="closing",
            what=f"closing a season of {context.plan.players:,}, time in `ending`",
            unit="s",
            budget=Budget("figure", most=5),
            figure=Series.of(endings),
        ),
        Row(
            name="closing",
            what="`rank` of `global` meanwhile, p50, one reader",
            unit="ms",
            budget=Budget("ratio", most=2),
            figure=meanwhile,
            reference=before,
            reference_what="before",
            ratio=meanwhile.over(before),
        ),
    ]


async def _fill_missing(context: Context, client: httpx.AsyncClient, slug: str) -> None:
    if (await client.get(f"/api/boards/{slug}")).status_code != httpx.codes.OK:
        context.say(f"closing: filling {slug}")
        await _make_filled(client, slug)


async def _close(client: httpx.AsyncClient, slug: str) -> float:
    """End a board's season; return how many seconds it is `ending`."""
    closed = await client.post(f"/api/boards/{slug}/seasons/current/close")
    closed.raise_for_status()
    started_at = time.perf_counter()
    path = f"/api/boards/{slug}/seasons/{closed.json()['season']['number'] - 1}"

    async def is_closed() -> bool:
        return bool((await client.get(path)).json()["state"] == "closed")

    await wait_until(is_closed, seconds=_CLOSE_SECONDS)
    return time.perf_counter() - started_at


async def _measure_closing_under_load(context: Context, client: httpx.AsyncClient) -> list[Row]:
    """End a season of all players, one of five boards, while 2,000 scores a second come in."""
    slug, seconds = "bests", context.plan.freshness_seconds
    for other in _RULES:
        await _fill_missing(context, client, other)
    await context.stack.wait_until_quiet()
    context.say(f"closing: {SUBMITS_A_SECOND:,} submits a second for {3 * seconds} s")
    load = asyncio.create_task(
        run_steadily(
            context.target,
            seconds=3 * seconds,
            rate=SUBMITS_A_SECOND,
            mix=Mix.parse("submit=1"),
            probes_a_second=PROBES_A_SECOND,
        )
    )
    await asyncio.wait({load}, timeout=seconds)
    began_at = time.perf_counter()
    ending = await _close(client, slug)
    ended_at = time.perf_counter()
    loaded = await load
    probes = [probe for report in loaded.probes.values() for probe in report.probes]
    parts = {
        "before": [probe for probe in probes if probe.answered_at < began_at],
        "meanwhile": [probe for probe in probes if began_at <= probe.answered_at <= ended_at],
        "after": [probe for probe in probes if probe.answered_at > ended_at],
    }
    what = f"a season of {context.plan.players:,} closed at {SUBMITS_A_SECOND:,} submits a second"
    return [
        Row(
            name="closing",
            what=f"{what}, five boards: time in `ending`",
            unit="s",
            figure=Series.of([ending]),
            notes=tuple(describe_load(loaded.report)),
        ),
        *(
            make_row("closing", f"freshness {when}, p99", summarize(some))
            for when, some in parts.items()
        ),
    ]


async def _measure_long_history(context: Context) -> Row:
    """Measure what the writer takes to make the standings of one player again."""
    stack, player = context.stack, context.target.first_player
    connections = stack.connections
    await connections.database.fetch(_GIVE_SESSIONS, player, _SESSIONS_OF_ONE)
    times = []
    async with stack.paused("worker", "scheduler"):
        refresher = Refresher(connections.database, connections.redis, connections.settings)
        for _ in range(1 + context.plan.rounds * _REFRESHES_PER_ROUND):
            await connections.database.fetch(NOTE_CHANGE, player)
            meter = ProcessorMeter(stack.find_processes)
            await refresher.refresh()
            times.append(1000 * meter.read().seconds)
    return Row(
        name="long-history",
        what=f"a refresh that makes a player with {_SESSIONS_OF_ONE:,} sessions again",
        unit="ms",
        budget=Budget("figure", most=50),
        # After the first one its pages are cached.
        figure=Series.of(times[1:]),
    )


@dataclass(frozen=True, slots=True)
class _Size:
    """What a stack takes with its boards."""

    start: float
    memory_mb: float
    refreshes: list[Cost]


async def _measure_thousand(context: Context) -> list[Row]:
    """Compare a thousand boards, a mode and some players each, with one of as many players."""
    many = await _measure_stack(context, _BOARDS)
    one = await _measure_stack(context, 0)
    what = f"{_BOARDS:,} boards of {context.plan.players // _BOARDS:,} players"
    rows = [
        Row(
            name="thousand",
            what=f"{what}: {name}",
            unit=unit,
            budget=Budget("ratio", most=1.3),
            figure=(figure := Series.of([of_many])),
            reference=(reference := Series.of([of_one])),
            reference_what=f"one board of {context.plan.players:,}",
            ratio=figure.over(reference),
        )
        for name, unit, of_many, of_one in (
            ("API restart to right ranks", "s", many.start, one.start),
            ("memory of all programs", "MB", many.memory_mb, one.memory_mb),
        )
    ]
    return rows + compare_costs(
        "thousand",
        f"{what}: refresh after {_SUBMITS:,} submits",
        many.refreshes,
        one.refreshes,
        reference_what=f"one board of {context.plan.players:,}",
        is_speed_up=False,
        time_budget=Budget("ratio", most=3),
        processor_budget=Budget("ratio", most=3),
    )


async def _measure_stack(context: Context, boards: int) -> _Size:
    players = context.plan.players
    context.say(f"thousand: {players:,} players on {boards or 1:,} boards beside `global`")
    async with run_stack(context.plan.processes) as stack:
        await stack.populate(players, players)
        target = await stack.find_target()
        own = replace(context, stack=stack, target=target)
        database = stack.connections.database
        async with httpx.AsyncClient(base_url=target.url, timeout=60) as client:
            for number in range(boards):
                made = await client.put(
                    f"/api/boards/b{number}", json={"game_mode": f"mode-{number}"}
                )
                made.raise_for_status()
            if not boards:
                await _make_filled(client, "sums")
        if boards:
            season = await find_season(database)
            async with stack.paused("worker", "scheduler"), database.connect() as connection:
                await connection.execute("SET statement_timeout = 0")
                await connection.fetch(_GIVE_MODES, boards, timeout=_FILL_SECONDS)
                await connection.fetch(_SPREAD, boards, season.season_id, timeout=_FILL_SECONDS)
                # Their indexes are behind by now: they are built here.
                settings = stack.connections.settings
                refresher = Refresher(database, stack.connections.redis, settings)
                while (await refresher.refresh()).more:
                    pass
        restart = await measure_restart(own)
        memory = sum(process.memory_full_info().pss for process in stack.find_processes())
        mode = (lambda player: f"mode-{player % boards}") if boards else (lambda _: "solo")
        async with stack.paused("worker", "scheduler"):
            await reach_steady_state(stack, target, mode)
            refreshes = [
                await time_refresh(stack, target, min(_SUBMITS, players), mode)
                for _ in range(context.plan.rounds * _REFRESHES_PER_ROUND)
            ]
        return _Size(restart.figure.median, memory / 2**20, refreshes)
