import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from dashboard.app import list_default_keys
from dashboard.keys.actions import name_key, read_default_keys
from dashboard.keys.keymap import KeyNames, UnusableKeymap, check_keymap
from dashboard.screens.dialog import Dialog
from dashboard.screens.keys_help import KeysScreen
from dashboard.widgets.prompt import Prompt
from tests.support.nursery import find_nursery

NOWHERE = Path("/nowhere")
"""A folder that is not there."""


def run(*arguments: str, config: Path = NOWHERE) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CONFIG_HOME": str(config)}
    return find_nursery().run("dashboard", arguments, environment, 60)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "the console needs a terminal for its input and output"),
        (("--url", "localhost:8000"), "'localhost:8000' is not like http://host:port"),
        (("--url", "http://a..b"), "'http://a..b' has no possible host"),
        (("--colour",), "No such option '--colour'"),
        (("--profile", "prod"), "console.toml: there is no profile 'prod'; there is none"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], reason: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_help_names_the_options() -> None:
    ended = run("--help")
    assert ended.returncode == 0
    assert "--url" in ended.stdout
    assert "--profile" in ended.stdout
    assert "leaderboard/console.toml" in ended.stdout


@pytest.mark.parametrize(
    "keymap",
    [
        {"mode.live": "2", "mode.player": "1"},
        {"player.compare": "z", "player.part": "z"},
        {"console.pause": "f9", "simulate.pause": "f9"},
        {"console.search": "ctrl+g", "live.follow": "s"},
    ],
)
def test_keys_that_do_not_get_into_each_others_way_are_taken(keymap: dict[str, str]) -> None:
    assert check_keymap(keymap, list_default_keys(), name_key) == keymap


@pytest.mark.parametrize(
    ("keymap", "reason"),
    [
        ({"console.puase": "p"}, "no action is called 'console.puase'"),
        ({"console.pause": 3}, "console.pause needs keys"),
        ({"console.pause": "p,"}, "console.pause needs keys"),
        ({"live.follow": "x, g"}, "live.follow and live.go_to_rank would have the same key"),
        ({"console.copy": "?"}, "console.copy and console.keys would have the same key"),
        ({"mode.live": "m"}, "mode.live and console.maximize would have the same key"),
        ({"console.copy": "f"}, "console.copy and live.follow would have the same key"),
        ({"live.follow": "q"}, "live.follow and console.quit would have the same key"),
        ({"live.follow": "4"}, "live.follow and mode.health would have the same key"),
        ({"live.follow": "k"}, "live.follow and board.up would have the same key"),
        ({"console.copy": "down"}, "console.copy and board.down would have the same key"),
        ({"console.retry": "left"}, "console.retry and choice.before would have the same key"),
        (
            {"simulate.stop": "-", "simulate.new": "minus"},
            "simulate.stop and simulate.slower would have the same key",
        ),
    ],
)
def test_keys_that_do_are_refused(keymap: dict[str, object], reason: str) -> None:
    with pytest.raises(UnusableKeymap, match=reason):
        check_keymap(keymap, list_default_keys(), name_key)


def test_no_default_key_has_two_actions_of_one_screen() -> None:
    names = KeyNames(list_default_keys(), name_key)
    assert {action: names.find_rival(action) for action in list_default_keys()} == dict.fromkeys(
        list_default_keys()
    )


def list_dialogs(kind: type[Screen[Any]]) -> list[type[Screen[Any]]]:
    return [kind, *(below for one in kind.__subclasses__() for below in list_dialogs(one))]


def test_the_keys_of_a_dialog_are_its_own_also_where_a_screen_has_them() -> None:
    own = read_default_keys([*list_dialogs(Dialog), KeysScreen, Prompt])
    own.pop("console.keys")
    assert own.keys() <= list_default_keys().keys()
    assert len({action.partition(".")[0] for action in own}) >= 10
    for action in own:
        assert check_keymap({action: "1"}, list_default_keys(), name_key) == {action: "1"}


PROD = '[profiles.prod]\nurl = "https://lb.example"\n'


def write_configuration(folder: Path, text: str) -> Path:
    """Write console.toml below a folder; return it as a person would see it named."""
    path = folder / "leaderboard" / "console.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "arguments", "reason"),
    [
        ("\ntheme = nord", (), "is not TOML: Invalid value (at line 2, column 9)"),
        ('colour = "red"', (), "colour: there is no such field; there are theme, columns, sort"),
        (PROD, ("--profile", "test"), "there is no profile 'test'; there is prod"),
        (PROD, ("--profile", "prod", "--url", "http://a"), "a profile has a URL of its own"),
        (
            PROD + 'key_variable = "HIDDEN"',
            ("--profile", "prod"),
            "profiles.prod.key_variable: there is nothing in it",
        ),
        (
            PROD + 'key_file = "hidden"',
            ("--profile", "prod"),
            "profiles.prod.key_file: No such file or directory",
        ),
        (
            PROD + 'key_file = "~ghost/hidden"',
            (),
            "profiles.prod.key_file: nobody's home is ~ghost",
        ),
        (
            PROD + 'key_file = "console.toml"',
            ("--profile", "prod"),
            "profiles.prod.key_file: not a key of `leaderboard keys create`",
        ),
        (
            PROD + 'key_file = "console.toml"',
            ("--profile", "prod", "--api-key", "hidden"),
            "this profile has a key of its own",
        ),
        ('[profiles.prod]\nurl = "lb.example"', ("--profile", "prod"), "profiles.prod.url: "),
        (
            PROD,
            ("--profile", "prod", "--web", "--allow-simulation"),
            "profile prod is read-only, unless",
        ),
        ("", ("--read-only", "--web", "--allow-moderation"), "as --read-only says"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it_and_no_secret(
    text: str, arguments: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    path = write_configuration(tmp_path, text)
    ended = run(*arguments, config=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert reason in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "hidden" not in ended.stderr.casefold()
    # What only the command line has wrong names no file.
    assert str(path) in ended.stderr or "--" in ended.stderr


def test_a_file_that_cannot_be_read_stops_only_whoever_needs_a_profile(tmp_path: Path) -> None:
    path = write_configuration(tmp_path, PROD)
    path.unlink()
    path.mkdir()
    ended = run("--profile", "prod", config=tmp_path)
    assert f"{path}: Is a directory" in ended.stderr
    # The next thing that is wrong: nothing stopped it before.
    assert "the console needs a terminal" in run(config=tmp_path).stderr
