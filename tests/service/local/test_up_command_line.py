"""The command line's manners: one line on stderr and exit status 1 for a mistake, fast help."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from service.commands.main import leaderboard
from tests.support.up_process import clean_environment, run_leaderboard


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--port", "70000"], "'--port': '70000' is not a whole number from 0 to 65535"),
        (["up", "--processes", "x"], "'x' is not a whole number from 1 to 64"),
        (["moderate", "state", "abc", "hidden"], "'abc' is not a whole number from 1 to 9007199"),
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


# A byte of Latin-1, as Python has one that it cannot read.
NO_TEXT = "caf\udce9"
ASCII_ALONE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def list_commands(
    command: click.Command, *words: str
) -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    """Yield each argument and each option with a value, and the words of its command."""
    if isinstance(command, click.Group):
        for word, inner in command.commands.items():
            yield from list_commands(inner, *words, word)
        return
    for parameter in command.params:
        if not getattr(parameter, "is_flag", False):
            yield words, parameter


@pytest.mark.parametrize(
    ("words", "parameter"),
    [
        pytest.param(words, parameter, id=" ".join([*words, str(parameter.name)]))
        for words, parameter in list_commands(leaderboard)
    ],
)
def test_what_is_no_utf8_is_named_in_one_line(
    words: tuple[str, ...], parameter: click.Parameter
) -> None:
    before: list[str] = []
    if isinstance(parameter, click.Option):
        before = [parameter.opts[-1]]
    else:
        found = [one for of, one in list_commands(leaderboard) if of == words]
        arguments = [one for one in found if isinstance(one, click.Argument)]
        before = ["1"] * [one.name for one in arguments].index(parameter.name)
    answer = run_leaderboard(*words, *before, NO_TEXT)
    assert (answer.returncode, answer.stdout) == (1, "")
    (line,) = answer.stderr.splitlines()
    assert r"'caf\xe9' is not UTF-8; see `leaderboard" in line
    hint = parameter.get_error_hint(click.Context(click.Command("x")))
    assert hint in line


def test_what_is_no_utf8_and_meant_for_nothing_is_one_line() -> None:
    for arguments in ([NO_TEXT], ["boards", NO_TEXT], ["audit", NO_TEXT], ["simulate", NO_TEXT]):
        answer = run_leaderboard(*arguments, environment=ASCII_ALONE)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert r"'caf\xe9' is not UTF-8" in answer.stderr
        assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["import"], ["audit", "--data-dir"]])
def test_file_that_the_locale_cannot_name_is_one_line(arguments: list[str]) -> None:
    # A process of its own, which begins with that locale.
    done = subprocess.run(
        [sys.executable, "-m", "service.commands.main", *arguments, "/tmp/\u00c4"],  # noqa: S108
        env=clean_environment() | ASCII_ALONE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "cannot be a file's name in this locale: set LC_ALL=C.UTF-8" in line


@pytest.mark.parametrize("command", ["up", "api", "worker", "scheduler", "migrate"])
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


@pytest.mark.parametrize("command", ["simulate", "dashboard"])
def test_setting_of_the_service_stops_no_client_of_it(command: str) -> None:
    answer = run_leaderboard(command, "--help", environment={"LEADERBOARD_LOG_LEVEL": "loud"})
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("command", ["up", "audit", "migrate"])
@pytest.mark.parametrize(
    ("data_dir", "reason"), [("~ghost/lb", " (nobody's home is ~ghost)"), ("", "")]
)
def test_what_is_no_directory_is_one_line(command: str, data_dir: str, reason: str) -> None:
    answer = run_leaderboard(command, "--data-dir", data_dir)
    assert (answer.returncode, answer.stdout) == (1, "")
    (line,) = answer.stderr.splitlines()
    assert f"'--data-dir': '{data_dir}' is not the path of a directory{reason}; see" in line


def test_data_directory_among_links_in_a_circle_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for command in ("up", "audit"):
        answer = run_leaderboard(command, "--data-dir", tmp_path / "a" / "data")
        assert (answer.returncode, answer.stdout) == (1, "")
        (line,) = answer.stderr.splitlines()
        assert "Too many levels of symbolic links" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "service.commands.main", "keys", "revoke", "my-game"],
        ["-m", "service.commands.main", "import", "-"],
        ["-m", "service.commands.main", "dashboard"],
        ["-m", "dashboard"],
    ],
)
def test_closed_input_is_no_terminal_and_empty(arguments: list[str]) -> None:
    nowhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
    told = [
        subprocess.run(
            ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, *arguments],
            env=clean_environment() | nowhere,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for redirection in ("<&-", "</dev/null")
    ]
    assert [answer.returncode for answer in told] == [1, 1]
    (line,) = told[0].stderr.splitlines()
    assert told[1].stderr.splitlines() == [line]


@pytest.mark.parametrize("command", ["audit", "rebuild", "migrate"])
def test_command_without_any_servers_says_both_ways(command: str, tmp_path: Path) -> None:
    answer = run_leaderboard(command, "--data-dir", tmp_path)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "no `leaderboard up` runs in" in answer.stderr
    assert "DATABASE_URL" in answer.stderr
    assert answer.stderr.count("\n") == 1
    elsewhere = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
    named = run_leaderboard(command, "--data-dir", tmp_path, environment=elsewhere)
    assert named.stderr == answer.stderr
    unnamed = run_leaderboard(command, environment={"LEADERBOARD_DATA_DIR": str(tmp_path)})
    assert (
        f"no `leaderboard up` runs in {tmp_path.resolve()}: start one, name its" in unnamed.stderr
    )


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
