"""Paths of links, as they are written and read."""

import pytest

from dashboard.client.gateway import BoardSeason
from dashboard.screens.console_screen import MODES
from dashboard.state.address import Address, UnknownAddress, read_address


def test_each_screen_has_an_address() -> None:
    for mode, _ in MODES:
        assert read_address(f"/{mode}") == Address(mode)
        assert str(Address(mode)) == f"/{mode}"
    assert read_address("/") == Address("live")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/player/4711", Address("player", "4711")),
        ("/player/4711?board=weekly", Address("player", "4711", BoardSeason("weekly"))),
        ("/live?board=weekly&season=3", Address("live", "", BoardSeason("weekly", 3))),
        ("/live?season=1", Address("live", "", BoardSeason("global", 1))),
        ("/player/a%2Fb%3Fc%20%E6%BC%A2", Address("player", "a/b?c 漢")),
        (
            "/player/4711?compare=815&board=weekly",
            Address("player", "4711", BoardSeason("weekly"), compare="815"),
        ),
        ("/player/1?compare=a%26b", Address("player", "1", compare="a&b")),
        ("/simulate/9f2c01a4be07", Address("simulate", run="9f2c01a4be07")),
        (
            "/health?board=weekly&season=3&open=slow",
            Address("health", "", BoardSeason("weekly", 3), opened="slow"),
        ),
        ("/live?open=boards", Address("live", opened="boards")),
        ("/player/4711?open=why", Address("player", "4711", opened="why")),
    ],
)
def test_what_is_written_is_read_again(path: str, address: Address) -> None:
    assert read_address(path) == address
    assert str(address) == path


def test_a_name_that_browsers_take_for_a_folder_is_left_out() -> None:
    assert str(Address("player", "..")) == "/player"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere", "no page has this path: there are /live, "),
        ("/live/", "no page has this path"),
        ("/player/", "no page has this path"),
        ("/player/1/2", "no page has this path"),
        ("/player/" + "a" * 256, "no page has this path"),
        ("/player/a%00", "no page has this path"),
        ("/player/%ff", "this path is not UTF-8"),
        ("/player/\udcff", "this path is not UTF-8"),
        ("live", "no page has this path"),
        ("//[", "this path is not UTF-8"),
        ("/live?board=", "board: 1 to 64 of a-z"),
        ("/live?board=Weekly", "board: 1 to 64 of a-z"),
        ("/live?season=0", "season: the number of a season"),
        ("/live?season=current", "season: the number of a season"),
        ("/live?baord=weekly", "only board, season, compare and open are known"),
        ("/live?compare=1", "compare: beside a player alone"),
        ("/player?compare=1", "compare: beside a player alone"),
        ("/player/1?compare=", "compare: a player's id or exact name"),
        ("/player/1?compare=a%00", "compare: a player's id or exact name"),
        ("/live?open=keys", "open: one of boards, log, slow, why"),
        ("/live?open=why", "open: why is about a player's id"),
        ("/player/ada?open=why", "open: why is about a player's id"),
        ("/player/0?open=why", "open: why is about a player's id"),
        ("/simulate/..", "no page has this path"),
        ("/simulate/CAFE", "no page has this path"),
        ("/live/cafe", "no page has this path"),
    ],
)
def test_a_path_that_leads_nowhere_says_why(path: str, message: str) -> None:
    with pytest.raises(UnknownAddress, match=message):
        read_address(path)
