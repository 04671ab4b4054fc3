"""The command line's manners: one line on stderr and exit status 1 for a mistake, fast help."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.commands.main import leaderboard
from tests.support.up_process import run_leaderboard


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--port", "70000"], "Invalid value for '--port': 70000 is not in the range"),
        (["up", "--processes", "x"], "'x' is not a valid whole number from 1 to 64"),
        (["populate", "--sessions", "1"], "Missing option '--players'; see `leaderboard populate"),
        (["upp"], "No such command 'upp'"),
    ],
)
def test_mistake_is_one_line_that_names_it(arguments: list[str], message: str) -> None:
    answer = run_leaderboard(*arguments)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: ")
    assert message in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["up", "api", "worker", "simulate", "migrate"])
def test_wrong_setting_is_one_line(command: str, tmp_path: Path) -> None:
    answer = run_leaderboard(
        command,
        environment={
            "LEADERBOARD_DATABASE_POOL_SIZE": "abc",
            "LEADERBOARD_DATA_DIR": str(tmp_path),
        },
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: LEADERBOARD_DATABASE_POOL_SIZE='abc' is not usable")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["audit", "rebuild", "migrate"])
def test_command_without_any_servers_says_both_ways(command: str, tmp_path: Path) -> None:
    answer = run_leaderboard(command, "--data-dir", tmp_path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "no `leaderboard up` runs in" in answer.stderr
    assert "DATABASE_URL" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        *("up", "api", "worker", "scheduler", "migrate", "populate"),
        *("audit", "rebuild", "simulate", "dashboard"),
    ],
)
def test_help_explains_every_option(command: str) -> None:
    shown = show_help(command, "--help")
    assert show_help(command, "-h") == shown
    assert f"Usage: leaderboard {command}" in shown
    _, *options = re.split(r"\n  (?=-)", shown)
    assert options
    for option in options:
        name, _, meaning = re.sub(r"\s{2,}", "\n", option).partition("\n")
        assert len(meaning.split()) > 1, name


def show_help(command: str, option: str) -> str:
    if command in {"simulate", "dashboard"}:
        # These become another program, which parses its options itself.
        answer = run_leaderboard(command, option)
        assert answer.returncode == 0
        return answer.stdout
    result = CliRunner().invoke(leaderboard, [command, option], prog_name="leaderboard")
    assert result.exit_code == 0
    return result.stdout
