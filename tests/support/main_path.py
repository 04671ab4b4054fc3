"""The whole suite's main path as processes: from an empty database to a clean audit.

`walk_main_path` takes it over whichever parts the environment names, one of which dies and comes
back on the way. What was answered with 200 must count, once; nothing else may.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

from tests.support.programs import Running, run
from tests.support.up_process import run_leaderboard

PATIENCE_SECONDS = 45.0
# The sweep comes with the minute, and the re-rank with it.
MINUTE_SECONDS = 80.0
POLL_SECONDS = 0.05
PLAYERS = 30


class Part(Protocol):
    """What dies and comes back."""

    def kill(self) -> None:
        """End it, as a power cut does."""

    def start(self) -> None:
        """Start it again."""


class Board:
    """A deployment's API, and what its board must show by what was answered."""

    def __init__(self, client: httpx.Client, api: Running) -> None:
        self.client = client
        self.api = api
        self.totals: Counter[int] = Counter()
        self.refused = 0
        self.names: dict[int, str] = {}
        self._random = random.Random(7)
        self._keys = 0

    def register(self, number: int) -> None:
        for _ in range(number):
            name = f"player {len(self.names) + 1}"
            answer = self.client.post("/api/players", json={"username": name})
            assert answer.status_code == 201, answer.text
            self.names[answer.json()["user_id"]] = name

    def submit(self, number: int, *, may_fail: bool = False) -> None:
        """Send scores one by one; one that is refused is sent again at the end, by its key."""
        for _ in range(number):
            user_id, score = self._random.choice([*self.names]), self._random.randint(1, 9)
            self._keys += 1
            body = {"user_id": user_id, "score": score}
            headers = {"Idempotency-Key": str(self._keys)}
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                answer = self.client.post("/api/leaderboard/submit", json=body, headers=headers)
                if answer.status_code == 200:
                    break
                assert may_fail, answer.text
                assert answer.status_code == 503, answer.text
                assert time.monotonic() < deadline, answer.text
                self.refused += 1
                self.api.nap()
            self.totals[user_id] += score

    def submit_in_bulk(self) -> None:
        lines = [{"user_id": user_id, "score": user_id % 5} for user_id in self.names] * 3
        answer = self.client.post("/api/leaderboard/submit/bulk", json=lines)
        assert {line["status"] for line in answer.json()} == {"success"}, answer.text
        for line in lines:
            self.totals[line["user_id"]] += line["score"]

    def rank(self) -> list[dict[str, Any]]:
        """Rank by competition: 1, 2, 2, 4."""
        totals = sorted(self.totals.items(), key=lambda item: (-item[1], item[0]))
        return [
            {
                "user_id": user_id,
                "username": self.names[user_id],
                "total_score": total,
                "rank": 1 + sum(other > total for other in self.totals.values()),
            }
            for user_id, total in totals
        ]

    def wait_until_right(self) -> None:
        self.wait_for(self.shows_right_ranks)

    def shows_right_ranks(self) -> bool:
        expected = self.rank()
        top = self.client.get("/api/leaderboard/top?limit=100").json()
        if top.get("stale") or top.get("leaderboard") != expected:
            return False
        for line in expected:
            rank = self.client.get(f"/api/leaderboard/rank/{line['user_id']}").json()
            if rank.get("stale") or {name: rank.get(name) for name in line} != line:
                return False
        user_id = expected[10]["user_id"]
        around = self.client.get(f"/api/leaderboard/around/{user_id}?radius=3").json()
        return not around.get("stale") and around["leaderboard"] == expected[7:14]

    def wait_for(self, find: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := find()):
            assert time.monotonic() < deadline, self.read_logs()
            time.sleep(POLL_SECONDS)
        return found

    def read_status(self) -> dict[str, Any]:
        status = self.client.get("/api/ops/status").json()
        assert isinstance(status, dict)
        return status

    def read_logs(self) -> str:
        return "\n".join(log.read_text()[-3000:] for log in self.api.log.parent.glob("*.log"))

    def hear_of_a_score(self) -> None:
        """A score is an event on the stream."""
        leader = self.rank()[0]
        with self.client.stream("GET", "/api/leaderboard/stream?limit=1", timeout=20) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith("data:"))
            assert str(leader["total_score"]) in next(lines)
            score = {"user_id": leader["user_id"], "score": 1000}
            assert self.client.post("/api/leaderboard/submit", json=score).status_code == 200
            self.totals[leader["user_id"]] += 1000
            assert f'"total_score":{leader["total_score"] + 1000}' in next(lines)


def leaderboard(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.commands.main", *arguments]


def walk_main_path(
    environment: Mapping[str, str],
    folder: Path,
    *,
    choose: Callable[[], Part],
    must_accept: bool,
) -> None:
    """Take the main path; the part that is chosen dies and comes back while scores keep coming.

    `must_accept`: without that part submits are taken all the same.
    """
    migrated = run_leaderboard("migrate", environment=environment)
    assert migrated.returncode == 0, migrated.stderr
    with run_programs(environment, folder) as (board, worker):
        board.register(PLAYERS)
        board.submit(100)
        board.submit_in_bulk()
        board.wait_until_right()
        board.hear_of_a_score()
        board.wait_until_right()
        part = choose()
        part.kill()
        if must_accept:
            board.submit(60)
            part.start()
        else:
            answer = board.client.post("/api/leaderboard/submit", json={"user_id": 1, "score": 1})
            assert answer.status_code == 503, answer.text
            part.start()
        board.submit(60, may_fail=not must_accept)
        board.wait_until_right()
        status = board.wait_for(lambda: find_reranked(board), MINUTE_SECONDS)
        assert status["parts"]["scheduler"]["state"] == "ok", status
        assert status["queues"]["standings"]["dead"] == 0, status
        rebuilt = run_leaderboard("rebuild", environment=environment)
        assert rebuilt.returncode == 0, rebuilt.stderr + rebuilt.stdout
        board.submit(20)
        board.wait_until_right()
        audited = run_leaderboard("audit", environment=environment)
        assert audited.returncode == 0, audited.stdout + audited.stderr
        assert worker.stop() == 0, worker.log.read_text()
        assert board.api.stop() == 0, board.api.log.read_text()


def find_reranked(board: Board) -> dict[str, Any] | None:
    status = board.read_status()
    figures = (status["rerank"]["at"], status["parts"]["scheduler"]["last_seen_at"])
    return status if all(figures) else None


@contextmanager
def run_programs(environment: Mapping[str, str], folder: Path) -> Iterator[tuple[Board, Running]]:
    with ExitStack() as stack:
        api, worker, _ = (
            stack.enter_context(run(name, leaderboard(name, *options), environment, folder))
            for name, options in (("api", ["--port", "0"]), ("worker", []), ("scheduler", []))
        )
        url = api.wait_for("Ready:").split()[1]
        yield Board(stack.enter_context(httpx.Client(base_url=url, timeout=30)), api), worker
