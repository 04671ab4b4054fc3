"""`leaderboard health`, which containers ask."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.commands.health import health
from service.errors import UsageError
from service.progress import ActorRun, WorkerProgress, note_progress, note_round


def ask(*arguments: str | Path) -> Result:
    return CliRunner().invoke(health, [str(one) for one in arguments])


def find_refusal(*arguments: str | Path) -> str:
    result = ask(*arguments)
    assert isinstance(result.exception, UsageError), result.exception
    return str(result.exception)


def test_scheduler_is_well_after_a_round(tmp_path: Path) -> None:
    note_round(tmp_path / "rounds")
    assert ask("scheduler", tmp_path / "rounds").exit_code == 0


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (None, "got through a round yet"),
        (200.0, "last got through a round 200 s ago"),
        # The machine was started anew since, and its clock with it.
        (-3600.0, "got through a round yet"),
    ],
)
def test_scheduler_is_not_well_without_a_round(
    ago: float | None, said: str, tmp_path: Path
) -> None:
    rounds = tmp_path / "rounds"
    if ago is not None:
        rounds.write_text(str(time.monotonic() - ago))
    assert said in find_refusal("scheduler", rounds)


@pytest.mark.parametrize("program", ["worker", "scheduler"])
def test_file_of_somebody_else_is_told(program: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("yesterday")
    assert f"{tmp_path / 'note'} was not written by it: " in find_refusal(
        program, tmp_path / "note"
    )


def test_worker_is_well_while_its_actors_come_to_an_end(tmp_path: Path) -> None:
    now = time.monotonic()
    running = [ActorRun("standings.rerank", since=now - 42, limit_seconds=900)]
    note_progress(tmp_path / "progress", WorkerProgress(now, running, ended_at=now - 3))
    result = ask("worker", tmp_path / "progress")
    assert result.exit_code == 0
    assert result.output == (
        "standings.rerank has run for 42 s of at most 900; the last one ended 3 s ago\n"
    )


@pytest.mark.parametrize(
    ("noted_ago", "since_ago", "threads_lost", "said"),
    [
        (20, 21, 0, "the worker was last heard of 20 s ago: it stands still"),
        (-3600, 0, 0, "it stands still"),
        (1, 920, 0, "standings.rerank has run for 920 s of at most 900, and nothing ends it"),
        (1, 2, 1, "1 of the worker's threads have ended by an error"),
    ],
)
def test_worker_is_not_well(
    noted_ago: int, since_ago: int, threads_lost: int, said: str, tmp_path: Path
) -> None:
    now = time.monotonic()
    running = [ActorRun("standings.rerank", since=now - since_ago, limit_seconds=900)]
    progress = WorkerProgress(now - noted_ago, running, threads_lost=threads_lost)
    note_progress(tmp_path / "progress", progress)
    assert said in find_refusal("worker", tmp_path / "progress")


def test_worker_is_not_well_before_its_first_note(tmp_path: Path) -> None:
    said = find_refusal("worker", tmp_path / "progress")
    assert said == f"no worker with --progress {tmp_path / 'progress'} was heard of yet"
