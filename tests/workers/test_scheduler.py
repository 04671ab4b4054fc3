"""The scheduler as a process."""

import signal
import sys
from pathlib import Path

import pytest

from tests.support.programs import PATIENCE_SECONDS, run


@pytest.mark.parametrize("broker", ["redis", "amqp"])
def test_scheduler_outlives_a_broker_that_is_away(broker: str, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/leaderboard",
        "REDIS_URL": "redis://127.0.0.1:1",
        "BROKER_URL": f"{broker}://127.0.0.1:1",
    }
    rounds = tmp_path / "rounds"
    command = [sys.executable, "-m", "service.commands.main", "scheduler", "--rounds", str(rounds)]
    with run("scheduler", command, environment, tmp_path) as scheduler:
        # When it starts.
        scheduler.wait_for("the broker is away, the next minute tries again")
        # Its own alarm clock, a little early.
        scheduler.process.send_signal(signal.SIGALRM)
        scheduler.wait_for("the broker is away, the next minute tries again", times=2)
        assert scheduler.process.poll() is None
    # None was got through, for whoever asks by `leaderboard health scheduler`.
    assert not rounds.exists()
    assert "Traceback" not in scheduler.log.read_text()


def test_scheduler_goes_on_where_it_cannot_note_its_rounds(redis_url: str, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/leaderboard",
        "REDIS_URL": redis_url,
        "BROKER_URL": redis_url,
    }
    rounds = str(tmp_path / "missing" / "rounds")
    command = [sys.executable, "-m", "service.commands.main", "scheduler", "--rounds", rounds]
    with run("scheduler", command, environment, tmp_path) as scheduler:
        scheduler.wait_for("a round cannot be noted")
        scheduler.process.send_signal(signal.SIGALRM)
        scheduler.wait_for("a round cannot be noted", times=2)
        assert scheduler.process.poll() is None
    assert "Traceback" not in scheduler.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_scheduler_ends_well_and_logs_at_its_level(number: signal.Signals, tmp_path: Path) -> None:
    environment = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/leaderboard",
        "REDIS_URL": "redis://127.0.0.1:1",
        "LEADERBOARD_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "service.commands.main", "scheduler"]
    with run("scheduler", command, environment, tmp_path) as scheduler:
        scheduler.wait_for("the broker is away")
        scheduler.process.send_signal(number)
        assert scheduler.process.wait(PATIENCE_SECONDS) == 0
    log = scheduler.log.read_text()
    assert " INFO " not in log
    assert "Interrupted" not in log
