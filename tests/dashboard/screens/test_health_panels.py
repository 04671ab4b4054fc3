"""Health: what a small screen still shows, what stays in place while it is read, what is noted."""

from typing import Any

from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import Operator, watch_live
from tests.support.console.service_peer import ServicePeer
from tests.support.console.simulating import Runs, make_ended_report, make_report, open_simulate
from tests.support.waiting import wait_until

PATHS = (
    "GET /api/leaderboard/around/{user_id}",
    "GET /api/leaderboard/page",
    "GET /api/leaderboard/top",
    "GET /api/ops/sessions/count",
    "GET /api/ops/status",
    "GET /api/players",
    "GET /api/players/{user_id}",
    "GET /api/players/{user_id}/sessions",
)


class BusyPeer(ServicePeer):
    """Tells of ten routes, whose rates change with each look."""

    looks = 0

    def describe_status(self) -> dict[str, Any]:
        status = super().describe_status()
        self.looks += 1
        first = status["routes"][0]
        for number, path in enumerate(PATHS):
            route = {"route": path, "server_errors": 4_321, "p99_ms": 10.0 * number}
            rate = (number * self.looks) % 7
            status["routes"].append(first | route | {"per_second": rate})
        return status


async def show_health(operator: Operator) -> None:
    await operator.press("4")
    await operator.pass_time(2.2)


async def shows(operator: Operator, text: str) -> bool:
    """Whether it is in sight, where Textual scrolls in real time."""
    await operator.lay_out()
    return text in operator.screen_text


def list_names(operator: Operator) -> list[str]:
    lines = operator.read("#routes").splitlines()[1:]
    return [" ".join(line.strip("▁▂▃▄▅▆▇█ ").split()[:2]) for line in lines]


async def test_a_small_screen_shows_errors_and_re_rank_and_says_what_is_below() -> None:
    async with watch_live(BusyPeer(FrozenClock()), size=(80, 24)) as operator:
        await show_health(operator)
        assert "errors" in operator.read("#routes").splitlines()[0]
        assert operator.screen_text.count("4,321") == 3
        assert "re-rank" in operator.screen_text
        assert "✓ ok 0.1 s oldest " in operator.screen_text
        assert "Last minute; errors since start" in operator.screen_text
        assert "▼ 5 more" in operator.screen_text
        operator.peer.away = {"redis"}
        await operator.pass_time(3.2)
        assert "connected to" not in operator.screen_text
        assert "▼ 3 more" in operator.screen_text
        await operator.press("end")
        await wait_until(lambda: shows(operator, "connected to"))
        assert "▲ 3 " in operator.screen_text


async def test_routes_keep_their_order_and_their_header() -> None:
    async with watch_live(BusyPeer(FrozenClock()), size=(80, 24)) as operator:
        await show_health(operator)
        before = list_names(operator)
        assert before[:3] == ["POST submit", "GET top", "GET rank/{id}"]
        assert len(before) == 10
        for _ in range(3):
            await operator.pass_time(2.0)
            assert list_names(operator) == before
        routes = operator.console.screen.query_one("#routes", Panel)
        routes.focus()
        await operator.press("end")
        await wait_until(lambda: shows(operator, "GET players/{id}/"))
        assert "p99 errors" in operator.screen_text
        assert "POST submit" not in operator.screen_text
        assert "▲ 5 " in operator.screen_text


async def test_names_of_routes_are_whole_where_there_is_room() -> None:
    async with watch_live(BusyPeer(FrozenClock())) as operator:
        await show_health(operator)
        assert "GET players/{id}/sessions " in operator.screen_text
        assert "GET ops/sessions/count " in operator.screen_text


async def test_details_of_tiles_lose_whole_parts_where_there_is_little_room() -> None:
    async with watch_live(size=(80, 36)) as operator:
        await show_health(operator)
        tiles = operator.screen_text.split("Flow of scores")[0]
        assert "│ 1 process · up 2 s     │" in tiles
        assert "│ version 18.6            │" in tiles
        assert "│ at refresh 12 · last 12 │" in tiles
        assert "…" not in tiles


async def test_a_graph_of_a_part_far_below_its_limit_looks_small() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        for oldest in (0.1, 0.6, 0.1):
            operator.peer.oldest = oldest
            await operator.pass_time(2.0)
        assert operator.read("#tile-worker").splitlines()[1].strip() == "▁▁▂▁"


async def test_an_index_that_is_away_is_said_with_what_happens() -> None:
    async with watch_live() as operator:
        operator.peer.away = {"index"}
        await operator.pass_time(3.2)
        assert "ranks come from PostgreSQL until it is rebuilt" in " ".join(operator.notice.split())
        await operator.press("4")
        assert "away: PostgreSQL answers until rebuilt" in operator.read("#events")


async def test_words_are_explained_beside_the_keys() -> None:
    async with watch_live() as operator:
        await operator.press("4", "question_mark")
        words = operator.read("#keys")
        for word in ("refreshes behind", "re-rank", "queued", "freshness"):
            assert f"  {word} " in words
        await operator.press("escape", "f1", "question_mark")
        assert "the player followed" in operator.read("#keys")


async def test_runs_and_scores_by_hand_are_events() -> None:
    async with open_simulate() as simulating:
        operator, runs = simulating.operator, simulating.runs
        await operator.press("h", "7", "7", "tab", "7", "enter", "enter")
        runs.show(make_report())
        await simulating.look()
        await simulating.look()
        runs.show(make_ended_report(), alive=False, ended=True)
        await simulating.look()
        await operator.press("f4")
        events = [line.split(" ", 1)[1] for line in operator.read("#events").splitlines()]
        failed = "7,990 answered, 10 failed; 0 lost, 0 counted twice"
        assert events[:3] == [
            f"▲ Run        cafe00 finished: {failed}",
            "· Run        cafe00 began at 12:00:00: 250/s for 90 s on global",
            "· By hand    player 77, +7, solo: session 1001 in 4.0 ms",
        ]


async def test_a_run_that_dies_is_a_bad_event() -> None:
    runs = Runs()
    runs.show(make_report())
    async with open_simulate(runs) as simulating:
        runs.show(make_report(), alive=False)
        await simulating.look()
        await simulating.operator.press("4")
        assert "✕ Run        cafe00 died" in simulating.operator.read("#events")


async def test_what_was_ok_is_not_said_to_be_while_nobody_knows() -> None:
    async with watch_live() as operator:
        await operator.press("4")
        await operator.pass_time(2.0)
        assert operator.screen_text.count("✓ ok") == 6
        operator.peer.go_away()
        await operator.pass_time(4.0)
        assert "✓ ok" not in operator.screen_text
        assert operator.screen_text.count("? ok") == 6


class Forgetful(ServicePeer):
    """Cannot say what PostgreSQL would know."""

    def describe_status(self) -> dict[str, Any]:
        status = super().describe_status()
        return status | {"refresh": None} if "postgresql" in self.away else status


async def test_what_a_part_that_is_away_would_know_is_unknown_and_not_never() -> None:
    async with watch_live(Forgetful(FrozenClock())) as operator:
        await operator.press("4")
        await operator.pass_time(2.0)
        assert "refresh   6.5 ms, " in operator.read("#flow")
        operator.peer.away = {"postgresql"}
        await operator.pass_time(6.0)
        assert "refresh   unknown" in operator.read("#flow")
        # Back again, but not yet in three of five looks: no figure beside what is said to be away.
        operator.peer.away = set()
        await operator.pass_time(1.2)
        tile = operator.read("#tile-postgresql")
        assert tile.startswith("✕ away")
        assert "2.5 ms" not in tile
