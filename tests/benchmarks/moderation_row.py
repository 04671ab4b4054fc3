"""The rows about moderation (P9): how soon what was taken away is in no answer of any process."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx

from dashboard.simulation.reports.histogram import LatencyHistogram
from dashboard.simulation.reports.presentation import describe_shortfall
from dashboard.simulation.workload.plan import Mix, RunOptions
from tests.benchmarks.results import Budget, Context, Row, Series
from tests.benchmarks.traffic import RANK_PATH, TOP_PATH, simulate

_SUBMITS_A_SECOND: Final = 2_000
# Connections that are kept: among so many each API process has some.
_READERS: Final = 8
# Asked more often, they and the submits would be more than one process can send.
_PAUSE_SECONDS: Final = 0.02
_DEADLINE_SECONDS: Final = 10.0
_CALL_SECONDS: Final = 60.0
# Above everybody else: what is taken away was at the top.
_CHEATED: Final = 1_000_000_000_000
_WHY: Final = {"reason": "benchmark"}
# A hundred thousand sessions of one player, as many in a call as may be.
_CALLS: Final = 10
_SESSIONS_A_CALL: Final = 10_000
_BESIDE_A_SECOND: Final = 500


class _Watch:
    """Reads a player's rank and the top over several connections, until all say the same."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=1)
        self.moderator = httpx.AsyncClient(base_url=url, timeout=_CALL_SECONDS)
        self._readers = [
            httpx.AsyncClient(base_url=url, timeout=_DEADLINE_SECONDS, limits=limits)
            for _ in range(_READERS)
        ]
        self.failures = 0

    async def close(self) -> None:
        for client in (self.moderator, *self._readers):
            await client.aclose()

    async def change(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.moderator.request(method, path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def time_until(self, player: int, is_shown: Callable[[Any, Any], bool]) -> float:
        """Return after how many seconds `rank` and `top` are as wanted for every reader."""
        started_at = time.perf_counter()
        await asyncio.gather(
            *(self._read_until(reader, player, is_shown, started_at) for reader in self._readers)
        )
        return time.perf_counter() - started_at

    async def _read_until(
        self,
        reader: httpx.AsyncClient,
        player: int,
        is_shown: Callable[[Any, Any], bool],
        started_at: float,
    ) -> None:
        while True:
            rank = (await reader.get(f"{RANK_PATH}/{player}")).json()
            top = (await reader.get(f"{TOP_PATH}?limit=100")).json()
            listed = next(
                (entry for entry in top["leaderboard"] if entry["user_id"] == player), None
            )
            if is_shown(rank, listed):
                return
            if time.perf_counter() > started_at + _DEADLINE_SECONDS:
                self.failures += 1
                return
            await asyncio.sleep(_PAUSE_SECONDS)


async def measure_moderation(context: Context) -> list[Row]:
    """Revoke, ban and rename, one after the other, while 2,000 scores a second come in."""
    seconds = context.plan.freshness_seconds
    await context.stack.wait_until_quiet()
    context.say(f"moderation: {_SUBMITS_A_SECOND:,} submits a second for {seconds} s")
    drawn = context.target.draw_players()
    cheaters, players = drawn[:20], drawn[20:]
    options = RunOptions(
        rate=_SUBMITS_A_SECOND,
        duration_seconds=seconds,
        players=len(players),
        seed=random.randrange(2**32),
        mix=Mix.parse("submit=1"),
    )
    watch = _Watch(context.target.url)
    times = {name: LatencyHistogram() for name in ("revoke", "ban", "rename")}
    load = asyncio.create_task(
        simulate(context.target, options, players=players, check_ledger=True)
    )
    try:
        number = 0
        while not load.done():
            await _moderate(watch, cheaters[number % len(cheaters)], number, times)
            number += 1
        report = await load
    finally:
        load.cancel()
        await watch.close()
    notes = [f"{report.total.answered_per_second:,.0f} submits a second answered beside it"]
    shortfall = describe_shortfall(report)
    if shortfall is not None:
        notes.append(f"WRONG: {shortfall}")
    if watch.failures:
        notes.append(f"NEVER SEEN: {watch.failures}")
    return [
        *(_make_row(name, found, notes) for name, found in times.items()),
        *await _measure_outages(context, cheaters[0]),
        *await _measure_many(context, players),
    ]


async def _measure_outages(context: Context, player: int) -> list[Row]:
    """Ban who stands first just after Redis was emptied, then just after it was killed."""
    stack, watch = context.stack, _Watch(context.target.url)
    state = f"/api/players/{player}/state"
    body = {"user_id": player, "score": _CHEATED}

    async def kill() -> None:
        # What it saved it has again when the supervisor has started it.
        for process in stack.find_processes("Valkey"):
            process.kill()

    rows = []
    for what, happen in (("emptied", stack.connections.redis.flushall), ("killed", kill)):
        seconds = []
        for number in range(context.plan.rounds):
            context.say(f"moderation: Redis {what}, round {number + 1}")
            await watch.change("PUT", state, {"state": "active", **_WHY})
            await watch.change("POST", "/api/leaderboard/submit", body)
            await watch.time_until(
                player,
                lambda rank, top: rank["rank"] == 1 and top is not None and "stale" not in rank,
            )
            await stack.wait_until_quiet()
            await happen()
            await watch.change("PUT", state, {"state": "banned", **_WHY})
            seconds.append(
                await watch.time_until(
                    player, lambda rank, top: rank["rank"] is None and top is None
                )
            )
        # Whoever measures after this submits for all players.
        await watch.change("PUT", state, {"state": "active", **_WHY})
        rows.append(
            Row(
                name="moderation",
                what=f"ban just after Redis was {what}, until no process shows the player",
                unit="ms",
                figure=Series.of([1000 * one for one in seconds]),
                notes=(f"NEVER SEEN: {watch.failures}",) if watch.failures else (),
            )
        )
    await watch.close()
    return rows


async def _measure_many(context: Context, players: list[int]) -> list[Row]:
    """Revoke a hundred thousand sessions of one player beside submits and reads."""
    watch = _Watch(context.target.url)
    player, *others = players
    lines = b'{"user_id": %d, "score": 1}\n' % player * _SESSIONS_A_CALL
    for number in range(_CALLS):
        context.say(f"moderation: {(number + 1) * _SESSIONS_A_CALL:,} sessions of one player")
        sent = await watch.moderator.post(
            "/api/leaderboard/submit/bulk",
            content=lines,
            headers={"Content-Type": "application/x-ndjson"},
        )
        sent.raise_for_status()
    await context.stack.wait_until_quiet()
    options = RunOptions(
        rate=_BESIDE_A_SECOND,
        duration_seconds=context.plan.freshness_seconds / 3,
        players=len(others),
        seed=random.randrange(2**32),
        mix=Mix.parse("submit=2,rank=1,top=1"),
    )
    context.say("moderation: submits and reads alone")
    alone = await simulate(context.target, options, players=others)
    context.say("moderation: submits and reads while the sessions are revoked")
    load = asyncio.create_task(simulate(context.target, options, players=others))
    calls = []
    more = True
    while more:
        started_at = time.perf_counter()
        answer = await watch.change("POST", f"/api/players/{player}/sessions/revoke", dict(_WHY))
        calls.append(time.perf_counter() - started_at)
        more = answer["more"]
    seconds = await watch.time_until(player, lambda rank, _: rank["rank"] is None)
    beside = await load
    felt = [
        f"{kind}: p50 {with_it.p50_ms:.1f} ms, p99 {with_it.p99_ms:.0f} ms, max "
        f"{with_it.max_ms:.0f} ms; before, p50 {without.p50_ms:.1f} ms, p99 {without.p99_ms:.0f} ms"
        for kind in ("submit", "rank", "top")
        if (with_it := beside.kinds[kind].latency) and (without := alone.kinds[kind].latency)
    ]
    await watch.close()
    return [
        Row(
            name="moderation",
            what=f"{_SESSIONS_A_CALL:,} sessions of one player revoked in a call, of all of theirs",
            unit="s",
            figure=Series.of(calls),
            notes=(
                (
                    f"{len(calls)} calls, {sum(calls):.1f} s; {1000 * seconds:.0f} ms after the "
                    "last one no process shows the player"
                ),
                *felt,
            ),
        )
    ]


async def _moderate(
    watch: _Watch, player: int, number: int, times: dict[str, LatencyHistogram]
) -> None:
    """Let a player cheat to the top, and take it away in three ways."""
    before = (await watch.moderator.get(f"{RANK_PATH}/{player}")).json()
    score, name = before["total_score"], f"renamed {number}"
    sent = await watch.change(
        "POST", "/api/leaderboard/submit", {"user_id": player, "score": _CHEATED}
    )
    await watch.time_until(player, lambda rank, top: rank["rank"] == 1 and top is not None)

    async def time_change(
        what: str, change: Awaitable[object], is_shown: Callable[[Any, Any], bool]
    ) -> None:
        await change
        times[what].record(await watch.time_until(player, is_shown))

    await time_change(
        "rename",
        watch.change("PATCH", f"/api/players/{player}", {"username": name, **_WHY}),
        lambda rank, top: rank["username"] == name and top["username"] == name,
    )
    state = f"/api/players/{player}/state"
    await time_change(
        "ban",
        watch.change("PUT", state, {"state": "banned", **_WHY}),
        lambda rank, top: rank["rank"] is None and top is None,
    )
    await watch.change("PUT", state, {"state": "active", **_WHY})
    await watch.time_until(player, lambda rank, top: rank["rank"] == 1 and top is not None)
    await time_change(
        "revoke",
        watch.change("POST", f"/api/sessions/{sent['session_id']}/revoke", dict(_WHY)),
        lambda rank, top: rank["total_score"] == score and top is None,
    )


def _make_row(what: str, found: LatencyHistogram, notes: list[str]) -> Row:
    latency = found.summarize()
    assert latency is not None
    return Row(
        name="moderation",
        what=f"{what} at {_SUBMITS_A_SECOND:,} submits a second until no process shows it, p99",
        unit="ms",
        budget=Budget("figure", most=500),
        figure=Series.of([latency.p99_ms]),
        notes=(
            (
                f"{what}: p50 {latency.p50_ms:.0f} ms, max {latency.max_ms:.0f} ms, "
                f"{latency.count:,} times, `rank` and `top` over {_READERS} connections"
            ),
            *notes,
        ),
    )
