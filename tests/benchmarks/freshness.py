"""The row about freshness (P5): how soon a submit that was answered shows in the reads."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx
import msgspec

from dashboard.simulation.client import requests
from dashboard.simulation.client.api_client import ApiClient
from dashboard.simulation.errors import UnexpectedAnswer
from dashboard.simulation.reports.histogram import LatencyHistogram
from dashboard.simulation.reports.presentation import describe_shortfall, format_ms
from dashboard.simulation.reports.report import LatencySummary, RunReport
from dashboard.simulation.workload.clock import RunClock
from dashboard.simulation.workload.plan import Mix, RunOptions
from tests.benchmarks.results import Budget, Context, Row, Series
from tests.benchmarks.traffic import RANK_PATH, TOP_PATH, Target, simulate

SUBMITS_A_SECOND = 2_000
PROBES_A_SECOND = 5
FRESH_MS = 500

_PROBE_PAUSE_SECONDS = 0.005
_PROBE_DEADLINE_SECONDS = 10.0
_PROBED_PLAYERS = 100
_TOP_PLAYERS = 10

_COUNT_RERANKS = "SELECT reranked_at, rerank_ms FROM refresh_state"


class _Entry(msgspec.Struct):
    user_id: int
    total_score: int


class _Top(msgspec.Struct):
    leaderboard: list[_Entry]


@dataclass(frozen=True, slots=True)
class Probe:
    """When a submit was answered, by `perf_counter`, and after how long a read showed it."""

    answered_at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, how long after a submit that was answered at that time of `perf_counter`."""

    answered_at: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """How long reads took to show a score, from the submit's answer."""

    probes: list[Probe]
    failures: list[Failure]

    @property
    def latency(self) -> LatencySummary:
        return summarize(self.probes)


def count_failures(failures: Iterable[Failure]) -> Counter[str]:
    """Return how often each reason is among some failures."""
    return Counter(failure.reason for failure in failures)


def summarize(probes: Iterable[Probe]) -> LatencySummary:
    """Return the percentiles of some probes."""
    latencies = LatencyHistogram()
    for probe in probes:
        latencies.record(probe.seconds)
    summary = latencies.summarize()
    assert summary is not None, "no probe"
    return summary


@dataclass(frozen=True, slots=True)
class SteadyLoad:
    """What came of a steady load and of the probes beside it, by what they read."""

    report: RunReport
    probes: dict[str, ProbeReport]


class Prober:
    """Submits a score, then reads `rank` or `top` again and again until it shows there."""

    def __init__(self, client: ApiClient, read: Literal["rank", "top"], players: list[int]) -> None:
        self._client = client
        self._read = read
        self._players = players
        self._scores: dict[int, int] = {}
        self._probes: list[Probe] = []
        self._failures: list[Failure] = []

    async def run(self, rate: float, seconds: float) -> ProbeReport:
        """Probe at a steady rate for so long; each probe takes the next of the players."""
        for player in self._players:
            self._scores[player] = await self._read_score(player)
        async with asyncio.TaskGroup() as probes:
            clock = RunClock()
            for number in range(int(rate * seconds)):
                await clock.wait_for(number / rate)
                probes.create_task(self._probe(self._players[number % len(self._players)]))
        return ProbeReport(self._probes, self._failures)

    async def _probe(self, player: int) -> None:
        body = msgspec.json.encode({"user_id": player, "score": 1})
        answer = await self._client.ask("POST", "/api/leaderboard/submit", body)
        answered_at = time.perf_counter()
        if answer.status != httpx.codes.OK:
            self._failures.append(Failure(answered_at, 0.0, f"submit answered {answer.status}"))
            return
        self._scores[player] += 1
        expected = self._scores[player]
        while not await self._shows(player, expected, answered_at):
            waited = time.perf_counter() - answered_at
            if waited > _PROBE_DEADLINE_SECONDS:
                self._failures.append(Failure(answered_at, waited, "never seen"))
                break
            # What takes long is known to a twentieth: where all have to wait, as after a loss of
            # Redis, looking again at once would be most of the load.
            await asyncio.sleep(max(_PROBE_PAUSE_SECONDS, waited / 20))
        self._probes.append(Probe(answered_at, time.perf_counter() - answered_at))

    async def _shows(self, player: int, expected: int, answered_at: float) -> bool:
        try:
            return await self._read_score(player) >= expected
        except UnexpectedAnswer as error:
            # A read that is refused shows nothing either.
            waited = time.perf_counter() - answered_at
            self._failures.append(Failure(answered_at, waited, f"a read was refused: {error}"))
            return False

    async def _read_score(self, player: int) -> int:
        if self._read == "rank":
            return (await self._client.read(f"{RANK_PATH}/{player}", _Entry)).total_score
        top = await self._client.read(f"{TOP_PATH}?limit=100", _Top)
        return next((e.total_score for e in top.leaderboard if e.user_id == player), 0)


async def run_steadily(
    target: Target, *, seconds: float, rate: float, mix: Mix, probes_a_second: float
) -> SteadyLoad:
    """Send at a steady rate, probe beside it, and compare the submits with the ledger."""
    client = ApiClient(requests.Target(target.url, target.api_key))
    try:
        top = await client.read(f"{TOP_PATH}?limit={_TOP_PLAYERS}", _Top)
        top_players = [entry.user_id for entry in top.leaderboard]
        probed = random.sample(target.players, min(_PROBED_PLAYERS, len(target.players) // 10))
        probed = [player for player in probed if player not in top_players]
        # A probe knows what its player's total must become: nobody else may add to it.
        spared = {*probed, *top_players}
        players = [player for player in target.draw_players() if player not in spared]
        options = RunOptions(
            rate=rate,
            duration_seconds=seconds,
            players=len(players),
            seed=random.randrange(2**32),
            mix=mix,
        )
        report, by_rank, by_top = await asyncio.gather(
            simulate(target, options, players=players, check_ledger=True),
            Prober(client, "rank", probed).run(probes_a_second, seconds),
            Prober(client, "top", top_players).run(probes_a_second, seconds),
        )
    finally:
        await client.close()
    return SteadyLoad(report, {"rank": by_rank, "top": by_top})


async def measure_freshness(context: Context) -> list[Row]:
    """Measure `rank` and `top` beside each other while 2,000 scores a second come in."""
    seconds = context.plan.freshness_seconds
    await context.stack.wait_until_quiet()
    context.say(f"freshness: {SUBMITS_A_SECOND:,} submits a second for {seconds} s")
    database = context.stack.connections.database
    before = await database.fetch_one(_COUNT_RERANKS)
    load = await run_steadily(
        context.target,
        seconds=seconds,
        rate=SUBMITS_A_SECOND,
        mix=Mix.parse("submit=1"),
        probes_a_second=PROBES_A_SECOND,
    )
    after = await database.fetch_one(_COUNT_RERANKS)
    assert before is not None
    assert after is not None
    notes = [*describe_load(load.report), "no re-rank ended meanwhile"]
    if after["reranked_at"] != before["reranked_at"]:
        notes[-1] = f"a re-rank of {after['rerank_ms']:,.0f} ms ended meanwhile"
    return [
        make_row(
            "freshness",
            f"freshness of `{read}` at {SUBMITS_A_SECOND:,} submits a second, p99",
            report.latency,
            notes=[
                *(
                    f"PROBES FAILED: {number} times {reason}"
                    for reason, number in count_failures(report.failures).items()
                ),
                *(notes if read == "rank" else []),
            ],
        )
        for read, report in load.probes.items()
    ]


def describe_load(report: RunReport) -> Iterator[str]:
    """Say how the submits of a steady load fared, and whether they could be sent in time."""
    latency, generator = report.total.latency, report.generator
    assert latency is not None
    yield (
        f"{report.total.answered_per_second:,.0f} submits a second answered, p50 "
        f"{format_ms(latency.p50_ms)} ms, p99 {format_ms(latency.p99_ms)} ms from when each was due"
    )
    yield (
        f"the generator: p99 {format_ms(generator.lag_p99_ms)} ms late, "
        f"{generator.cpu_share:.0%} of a processor"
    )
    if generator.limited:
        yield "THE GENERATOR WAS THE LIMIT: the machine was too busy for this rate"
    shortfall = describe_shortfall(report)
    if shortfall is not None:
        yield f"WRONG: {shortfall}"


def make_row(name: str, what: str, latency: LatencySummary, *, notes: Sequence[str] = ()) -> Row:
    """Return the row about how soon scores showed."""
    return Row(
        name=name,
        what=what,
        unit="ms",
        budget=Budget("figure", most=FRESH_MS),
        figure=Series.of([latency.p99_ms]),
        notes=(
            (
                f"{what}: p50 {latency.p50_ms:.0f} ms, max {latency.max_ms:.0f} ms, "
                f"{latency.count:,} probes"
            ),
            *notes,
        ),
    )


def describe_freshness(read: str, latency: LatencySummary) -> str:
    """Say how soon a read showed scores, in a line."""
    return (
        f"From a submit's answer until {read} showed it, {latency.count:,} times: "
        f"p50 {format_ms(latency.p50_ms)}, p99 {format_ms(latency.p99_ms)}, "
        f"max {format_ms(latency.max_ms)} ms"
    )
