from pathlib import Path

import pytest

from dashboard.configuration.file import Configuration, Profile
from dashboard.configuration.preferences import Choices, NotKept, Preferences, locate_folder
from dashboard.screens.health.screen import Tile
from dashboard.text.numbers import write_age, write_ms
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import open_console
from tests.support.console.service_peer import ServicePeer


def test_the_folder_is_where_xdg_has_it(tmp_path: Path) -> None:
    assert locate_folder({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "leaderboard"
    at_home = Path.home() / ".config" / "leaderboard"
    assert locate_folder({}) == locate_folder({"XDG_CONFIG_HOME": "relative"}) == at_home


def test_a_choice_is_kept_until_the_file_says_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    choices = Choices(folder)
    assert choices.find("theme", "nord") == "nord"
    choices.keep("theme", "dracula", "nord")
    # Another console keeps another choice.
    Choices(folder).keep("columns", ["rank", "player"], None)
    again = Choices(folder)
    assert again.find("theme", "nord") == "dracula"
    assert again.find("columns", None) == ["rank", "player"]
    # A person has the last word, said after the choice.
    assert again.find("theme", "gruvbox") == "gruvbox"
    assert [path.name for path in folder.iterdir()] == ["console-choices.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"theme": 3}', b'{"theme": {}}', b"\xff"])
def test_what_is_no_choice_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "console-choices.json").write_bytes(content)
    choices = Choices(tmp_path)
    assert choices.find("theme", None) is None
    choices.keep("theme", "nord", None)
    assert choices.find("theme", None) == "nord"


def test_without_a_folder_nothing_is_kept() -> None:
    choices = Choices()
    choices.keep("theme", "nord", None)
    assert choices.find("theme", None) is None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "leaderboard").write_text("a file")
    choices = Choices(tmp_path / "leaderboard")
    with pytest.raises(NotKept, match="Not a directory"):
        choices.find("theme", None)
    with pytest.raises(NotKept, match="Not a directory"):
        choices.keep("theme", "nord", None)


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_theme_that_was_chosen_is_there_at_the_next_start(tmp_path: Path) -> None:
    preferences = Preferences(Configuration(theme="nord"), choices=Choices(tmp_path))
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, preferences=preferences) as operator:
        assert operator.console.theme == "nord"
        await operator.pass_time()
        assert list_names(tmp_path) == []
        operator.console.theme = "dracula"
        await operator.pass_time()
        assert operator.toasts == []
    async with open_console(peer, preferences=preferences) as operator:
        assert operator.console.theme == "dracula"


async def test_a_console_works_on_where_nothing_can_be_kept_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "leaderboard").write_text("a file")
    preferences = Preferences(
        choices=Choices(tmp_path / "leaderboard"), notices=("Not read: console.toml: no",)
    )
    async with open_console(ServicePeer(FrozenClock()), preferences=preferences) as operator:
        await operator.pass_time()
        assert operator.toasts[0] == "Not read: console.toml: no"
        assert operator.toasts[1].startswith("What was chosen is not known: ")
        operator.console.theme = "dracula"
        await operator.pass_time()
        assert operator.toasts[-1].startswith("Not kept: ")
        assert operator.console.theme == "dracula"
        assert "ada" in operator.screen_text


async def test_a_profile_stands_in_the_head_line_of_every_screen_in_its_colour() -> None:
    profile = Profile("prod-eu", "https://lb.example", colour="#d00000")
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, (80, 24), preferences=Preferences(profile=profile)) as operator:
        for key in ("1", "2", "f3", "f4"):
            await operator.press(key)
            assert operator.screen_text.startswith(" prod-eu ")
            screen = operator.console.screen
            style = screen.get_component_rich_style("tone--profile")
            assert style.bgcolor is not None
            assert style.bgcolor.triplet is not None
            assert style.bgcolor.triplet.hex == "#d00000"


async def test_limits_of_the_file_are_those_of_the_tiles_and_of_what_is_judged() -> None:
    preferences = Preferences(Configuration(limits={"redis_ms": 0.1, "worker_seconds": 0.05}))
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, mode="health", preferences=preferences) as operator:
        await operator.pass_time(1.0)
        for part, limit in (("redis", write_ms(0.1)), ("worker", write_age(0.05))):
            tile = operator.console.screen.query_one(f"#tile-{part}", Tile)
            assert tile.border_subtitle == f"limit {limit}"
            assert "▲ over" in tile.text
        assert f"limit {write_age(0.05)}" in operator.read("#flow")
