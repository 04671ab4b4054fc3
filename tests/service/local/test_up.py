"""`leaderboard up`: starts everything, keeps it running, stops it, and starts again."""

import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from service.local.embedded import PostgresServer
from service.local.supervisor.instance import find_running
from tests.support.databases import THROW_AWAY, Clusters
from tests.support.up_process import STOP_SECONDS, UpProcess, run_leaderboard

StartUp = Callable[..., UpProcess]


@pytest.fixture(scope="module")
def running(server_directory: Path) -> Iterator[UpProcess]:
    """One instance for the tests that leave it as they found it."""
    with closing(UpProcess(server_directory / "shared up", None, "--web-port", "0")) as up:
        up.wait_until_ready()
        yield up


@pytest.fixture
def parent(server_directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=server_directory))


@pytest.fixture
def start_up() -> Iterator[StartUp]:
    """Start instances that are stopped with the test."""
    started: list[UpProcess] = []

    def start(data_dir: Path, **environment: str) -> UpProcess:
        started.append(UpProcess(data_dir, environment))
        return started[-1]

    yield start
    for up in started:
        up.close()


def create_player(url: str, username: str) -> int:
    response = httpx.post(f"{url}/api/players", json={"username": username}, timeout=10)
    assert response.status_code == 201, response.text
    user_id = response.json()["user_id"]
    assert isinstance(user_id, int)
    return user_id


def test_up_serves_and_says_where(running: UpProcess) -> None:
    url = running.wait_until_ready()
    assert httpx.get(f"{url}/health/live").status_code == 200
    instance = running.find_instance()
    assert (instance.pid, instance.url) == (running.process.pid, url)
    for name in ("PostgreSQL 18", "Valkey 9", "Schema", "API", "Worker", "Scheduler"):
        running.wait_for_line(name)


def test_up_serves_the_console_to_browsers(running: UpProcess) -> None:
    url = running.wait_for_line("Console: http").split()[1]
    page = httpx.get(url, timeout=10)
    assert page.status_code == 200
    assert "textual-terminal" in page.text
    foreign = httpx.get(url, headers={"Origin": running.wait_until_ready()}, timeout=10)
    assert foreign.status_code == 403
    commands = [child.cmdline() for child in psutil.Process(running.process.pid).children()]
    (console,) = [command for command in commands if "dashboard" in command]
    assert console[console.index("--url") + 1] == running.wait_until_ready()


def test_up_keeps_its_connections_to_itself(running: UpProcess) -> None:
    assert (running.data_dir / "up.json").stat().st_mode & 0o777 == 0o600
    assert (running.data_dir / "run").stat().st_mode & 0o777 == 0o700


def test_up_never_trades_durability_for_speed(running: UpProcess) -> None:
    command = " ".join(running.find_child("bin/postgres").cmdline())
    assert "fsync" not in command
    assert "synchronous_commit" not in command


def test_second_up_is_told_where_the_first_one_is(running: UpProcess) -> None:
    second = run_leaderboard("up", "--port", "0", "--data-dir", running.data_dir)
    assert second.returncode == 1
    assert second.stderr == (
        f"error: leaderboard is already running in {running.data_dir} "
        f"at {running.find_instance().url} (pid {running.process.pid})\n"
    )


def test_migrate_finds_the_running_instance(running: UpProcess) -> None:
    answer = run_leaderboard("migrate", "--data-dir", running.data_dir)
    assert (answer.returncode, answer.stdout) == (0, "up to date\n")


NOWHERE = "postgresql://127.0.0.1:1/elsewhere"


def test_directory_that_was_named_wins_over_the_environment(running: UpProcess) -> None:
    nowhere = {"DATABASE_URL": NOWHERE, "REDIS_URL": "redis://127.0.0.1:1"}
    for command in (["migrate"], ["keys", "list"], ["audit"]):
        for environment in (nowhere, {"DATABASE_URL": NOWHERE}):
            answer = run_leaderboard(
                *command, "--data-dir", running.data_dir, environment=environment
            )
            assert answer.returncode == 0, answer.stderr
    answer = run_leaderboard(
        "migrate", environment=nowhere | {"LEADERBOARD_DATA_DIR": str(running.data_dir)}
    )
    assert "127.0.0.1" in answer.stderr


def test_database_of_the_environment_is_not_joined_with_a_cache_of_another(
    running: UpProcess,
) -> None:
    here = {"LEADERBOARD_DATA_DIR": str(running.data_dir)}
    answer = run_leaderboard("audit", environment=here | {"DATABASE_URL": NOWHERE})
    assert (answer.returncode, answer.stdout) == (1, "")
    (line,) = answer.stderr.splitlines()
    assert line.startswith("error: DATABASE_URL names another server than the `leaderboard up` in")
    assert "set both DATABASE_URL and REDIS_URL" in line
    instance = running.find_instance()
    same = here | {"DATABASE_URL": instance.database_url}
    assert run_leaderboard("audit", environment=same).returncode == 0


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("Worker", "-m workers --"),
        ("API", "-m service.api --"),
        ("Valkey", "valkey-server"),
        ("PostgreSQL", "bin/postgres"),
    ],
)
def test_killed_child_is_restarted_and_said_so(running: UpProcess, name: str, command: str) -> None:
    running.find_child(command).kill()
    line = running.wait_for_line(name, "ended (SIGKILL)")
    assert str(running.data_dir / "logs") in line
    running.wait_for_line(name, "is back after")
    running.find_child(command)
    httpx.get(f"{running.wait_until_ready()}/health/live", timeout=10).raise_for_status()


def test_up_recovers_after_kill_9_of_its_group_and_ctrl_c_stops_everything(
    start_up: StartUp, clusters: Clusters
) -> None:
    data_dir = clusters.make("with a space")
    first = start_up(data_dir)
    user_id = create_player(first.wait_until_ready(), "survivor")
    killed = first.find_family()
    first.kill_group()
    second = start_up(data_dir)
    url = second.wait_until_ready()
    player = httpx.get(f"{url}/api/players/{user_id}", timeout=10).json()
    assert player["username"] == "survivor"
    _, alive = psutil.wait_procs(killed, timeout=STOP_SECONDS)
    assert alive == []

    family = second.find_family()
    second.send(signal.SIGINT)
    assert second.wait_for_end() == 0
    assert second.lines[-1] == "Stopped."
    assert [process for process in family if process.is_running()] == []
    assert find_running(second.data_dir) is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    log = (second.data_dir / "logs" / "postgres.log").read_text()
    assert "database system is shut down" in log


def test_up_leaves_a_given_database_alone(
    start_up: StartUp, clusters: Clusters, parent: Path
) -> None:
    with PostgresServer(clusters.make("theirs"), settings=THROW_AWAY) as theirs:
        up = start_up(parent / "data", DATABASE_URL=theirs.url)
        assert up.wait_for_line("PostgreSQL").endswith(f"yours at {theirs.directory.sockets}:5432")
        create_player(up.wait_until_ready(), "guest")
        assert not (parent / "data" / "postgres").exists()
        up.send(signal.SIGTERM)
        assert up.wait_for_end() == 0
        assert theirs.is_ready()


def test_up_says_that_its_port_is_taken(parent: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = run_leaderboard("up", "--port", str(port), "--data-dir", parent / "data")
    assert answer.returncode == 1
    assert answer.stderr == (
        f"error: port {port} on 127.0.0.1 is taken; stop the other program or choose --port\n"
    )


def test_up_gives_up_on_a_database_that_is_not_there(parent: Path) -> None:
    answer = run_leaderboard(
        *("up", "--port", "0", "--data-dir", parent / "data"),
        environment={"DATABASE_URL": "postgresql://someone:secret@127.0.0.1:1/nothing"},
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: the migrations failed: cannot use the database")
    assert answer.stderr.endswith("logs/migrate.log\n")
    assert answer.stderr.count("\n") == 1
    assert "secret" not in answer.stdout + answer.stderr
    assert find_running(parent / "data") is None


def test_up_refuses_a_database_of_another_major_version(parent: Path) -> None:
    cluster = parent / "data" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("17\n")
    answer = run_leaderboard("up", "--port", "0", "--data-dir", parent / "data")
    assert answer.returncode == 1
    assert "was made by PostgreSQL 17" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_up_refuses_a_file_as_its_data_directory(parent: Path) -> None:
    (parent / "data").touch()
    answer = run_leaderboard("up", "--port", "0", "--data-dir", parent / "data")
    assert answer.returncode == 1
    assert answer.stderr == (
        f"error: cannot keep data in {parent / 'data'}: not a directory; "
        "choose another --data-dir\n"
    )
