import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.app import list_default_keys
from dashboard.keys.actions import name_key
from dashboard.keys.keymap import KeyNames, UnusableKeymap, read_keymap


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dashboard", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "the console needs a terminal for its input and output"),
        (("--url", "localhost:8000"), "'localhost:8000' is not like http://host:port"),
        (("--colour",), "No such option '--colour'"),
        (("--keys", "/nowhere.toml"), "/nowhere.toml: No such file or directory"),
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
    assert "--keys" in ended.stdout


def test_read_keymap(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('"console.pause" = "p"\n"live.follow" = "f,ctrl+f"\n')
    assert read_keymap(path, list_default_keys(), name_key) == {
        "console.pause": "p",
        "live.follow": "f,ctrl+f",
    }


@pytest.mark.parametrize(
    "keymap",
    [
        {"mode.live": "2", "mode.player": "1"},
        {"player.compare": "z", "player.part": "z"},
        {"console.pause": "f9", "simulate.pause": "f9"},
        {"console.search": "ctrl+g", "live.follow": "s"},
    ],
)
def test_read_keymap_takes_keys_that_do_not_get_into_each_others_way(
    keymap: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text("\n".join(f'"{name}" = "{keys}"' for name, keys in keymap.items()))
    assert read_keymap(path, list_default_keys(), name_key) == keymap


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('"console.puase" = "p"', "no action is called 'console.puase'"),
        ('"console.pause" = 3', "console.pause needs keys"),
        ('"console.pause" = "p,"', "console.pause needs keys"),
        ("console.pause =", "is not TOML"),
        ('"live.follow" = "x, g"', "live.follow and live.go_to_rank would have the same key"),
        ('"console.copy" = "?"', "console.copy and console.keys would have the same key"),
        ('"mode.live" = "m"', "mode.live and console.maximize would have the same key"),
        ('"console.copy" = "f"', "console.copy and live.follow would have the same key"),
        ('"live.follow" = "q"', "live.follow and console.quit would have the same key"),
        ('"live.follow" = "4"', "live.follow and mode.health would have the same key"),
        ('"live.follow" = "k"', "live.follow and board.up would have the same key"),
        ('"console.retry" = "left"', "console.retry and choice.before would have the same key"),
        (
            '"simulate.stop" = "-"\n"simulate.new" = "minus"',
            "simulate.stop and simulate.slower would have the same key",
        ),
    ],
)
def test_read_keymap_says_what_is_wrong(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(content)
    with pytest.raises(UnusableKeymap, match=reason):
        read_keymap(path, list_default_keys(), name_key)


def test_no_default_key_has_two_actions_of_one_screen() -> None:
    names = KeyNames(list_default_keys(), name_key)
    assert {action: names.find_rival(action) for action in list_default_keys()} == dict.fromkeys(
        list_default_keys()
    )


@pytest.mark.parametrize("place", ["sessions", "states", "decide", "boards", "keys", "prompt"])
def test_dialogs_are_known_to_the_keymap(place: str) -> None:
    assert place in {action.partition(".")[0] for action in list_default_keys()}
    # Their keys are theirs alone.
    names = KeyNames(list_default_keys(), name_key)
    names.change({"console.copy": "down"})
    assert names.find_rival("console.copy") == "board.down"
