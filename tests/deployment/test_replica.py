"""`DATABASE_REPLICA_URL`: the main path with a streaming standby, out of the wheel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.local.embedded import PostgresServer
from tests.support.main_path import Board, run_programs, walk_main_path
from tests.support.standby import Standby


class Killable(Standby):
    """A standby, with the two words of the other parts."""

    def kill(self) -> None:
        """End it, as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def primary(server_directory: Path) -> Iterator[PostgresServer]:
    with PostgresServer(server_directory / "primary") as server:
        yield server


@pytest.fixture
def standby(server_directory: Path, primary: PostgresServer) -> Iterator[Killable]:
    with Killable(server_directory / "follower", primary) as server:
        yield server


def test_main_path_with_a_replica(
    primary: PostgresServer, standby: Killable, redis_url: str, tmp_path: Path
) -> None:
    environment = {
        "DATABASE_URL": primary.url,
        "DATABASE_REPLICA_URL": standby.url,
        "REDIS_URL": redis_url,
        "LEADERBOARD_REPLICA_LAG_SECONDS": "2",
    }
    walk_main_path(environment, tmp_path, choose=lambda: standby, must_accept=True)
    with run_programs(environment, tmp_path) as (board, _):
        board.wait_for(lambda: reads_from_replica(board))
        standby.kill()
        player = board.client.get("/api/players/1")
        assert player.status_code == 200, player.text
        assert not reads_from_replica(board)
        standby.start()
        board.wait_for(lambda: reads_from_replica(board))
        primary.stop()
        # Then its lag can no longer be told, and it is better than nothing.
        board.wait_for(lambda: "more than 2 s behind" in board.api.log.read_text())
        assert board.client.get("/api/players/1").json() == player.json()
        assert reads_from_replica(board)
        submitted = board.client.post("/api/leaderboard/submit", json={"user_id": 1, "score": 1})
        assert submitted.status_code == 503


def reads_from_replica(board: Board) -> bool:
    answer = board.client.get("/api/players/1/sessions")
    assert answer.status_code == 200, answer.text
    return bool(answer.json().get("stale", False))
