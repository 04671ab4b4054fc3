"""What a command line of ours becomes before another program gets it."""

import pytest

from service.local.supervisor.programs import hide_api_key


@pytest.mark.parametrize(
    ("given", "shown", "key"),
    [
        (["--api-key", "lb_1", "--json"], ["--json"], "lb_1"),
        (["--json", "--api-key=lb_1"], ["--json"], "lb_1"),
        # As a shell writes it where a variable is not set: what follows is no key.
        (["--api-key", "", "--read-only"], ["--api-key=", "--read-only"], None),
        (["--api-key=", "--read-only"], ["--api-key=", "--read-only"], None),
        # For the program to complain about.
        (["--api-key"], ["--api-key"], None),
    ],
)
def test_a_key_leaves_the_command_line_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, given: list[str], shown: list[str], key: str | None
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    assert hide_api_key(given) == shown
    assert environment.get("LEADERBOARD_API_KEY") == key
