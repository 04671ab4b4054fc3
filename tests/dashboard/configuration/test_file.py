from pathlib import Path

import pytest

from dashboard.configuration.file import (
    Allowed,
    Configuration,
    Profile,
    UnreadableConfiguration,
    UnusableConfiguration,
    read_configuration,
)
from dashboard.preferred import is_colour

ALLOWED = Allowed(
    themes=("nord", "dracula"),
    limits=("redis_ms", "worker_seconds"),
    keys={"console.pause": "space,p", "console.copy": "y"},
    name_key=str,
    is_colour=is_colour,
)

ALL = """
theme = "nord"  # at night
columns = ["player", "rank"]
sort = "-gain"

[keys]
"console.pause" = "f9"
console.copy = "ctrl+y"

[limits]
redis_ms = 80
worker_seconds = 2.5

[profiles.prod]
url = "https://lb.example"
key_file = "prod.key"
colour = "red"

[profiles.test-1]
url = "http://127.0.0.1:8001"
key_variable = "TEST_KEY"
read_only = false
"""


def read(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "console.toml"
    path.write_text(text)
    return read_configuration(path, ALLOWED)


def test_all_that_can_stand_in_it_is_read(tmp_path: Path) -> None:
    read_of_all = read(tmp_path, ALL)
    assert read_of_all == Configuration(
        path=tmp_path / "console.toml",
        theme="nord",
        columns=("player", "rank"),
        sort="-gain",
        keys={"console.pause": "f9", "console.copy": "ctrl+y"},
        limits={"redis_ms": 80.0, "worker_seconds": 2.5},
        profiles={
            # Read-only, as it does not say otherwise.
            "prod": Profile("prod", "https://lb.example", tmp_path / "prod.key", None, "red"),
            "test-1": Profile(
                "test-1", "http://127.0.0.1:8001", None, "TEST_KEY", None, read_only=False
            ),
        },
    )
    assert read_of_all.find_profile("prod").read_only


def test_no_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    assert read_configuration(path, ALLOWED) == Configuration(path)
    assert read(tmp_path, "") == Configuration(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('them = "nord"', "them: there is no such field; there are theme, columns, sort, keys, "),
        ('theme = "nrd"', "theme: 'nrd' is none of dracula, nord"),
        ("theme = 3", "theme: 3 is not text in quotes"),
        ('theme = ""', "theme: it is empty"),
        ('theme = "nord', "is not TOML: "),
        ('columns = ["rank", "player", "size"]', "columns: 'size' is none of rank, move, player"),
        ('columns = ["rank"]', "columns: rank and player have to be there, and each column once"),
        ('columns = ["rank", "player", "rank"]', "columns: rank and player have to be there"),
        ('columns = "rank"', "columns: 'rank' is not a list such as"),
        (
            'sort = "size"',
            "none of rank, move, player, id, score, gain, seen, with a - in front",
        ),
        (
            'sort = "-trend"',
            "sort: '-trend' is none of rank, move, player, id, score, gain, seen",
        ),
        ('keys = "p"', "keys: 'p' is not a table: [keys]"),
        ('[keys]\n"console.puase" = "p"', "keys: no action is called 'console.puase'; there are"),
        ('[keys]\nconsole.pause = "y"', "keys: console.pause and console.copy would have the same"),
        ("[keys]\nconsole.pause = 3", 'keys: console.pause needs keys such as "p" or'),
        ("[limits]\nredis = 1", "limits.redis: there is no such field; there are redis_ms, worker"),
        ("[limits]\nredis_ms = 0", "limits.redis_ms: 0 is not a number above 0"),
        ("[limits]\nredis_ms = true", "limits.redis_ms: True is not a number above 0"),
        ("[limits]\nredis_ms = nan", "limits.redis_ms: nan is not a number above 0"),
        ('[limits]\nredis_ms = "80"', "limits.redis_ms: '80' is not a number above 0"),
        ("[profiles.prod]", 'profiles.prod.url: it has to be there, such as "https://host"'),
        ('profiles.prod = "x"', "profiles.prod: 'x' is not a table: [profiles.prod]"),
        (
            '[profiles.prod]\nurl = "x"\nkey = "hidden"',
            "profiles.prod.key: there is no such field; there are url, colour, key_file, key_var",
        ),
        (
            '[profiles.prod]\nurl = "x"\nkey_file = "a"\nkey_variable = "B"',
            "profiles.prod.key_file: a key is in a file or in a variable",
        ),
        ('[profiles.prod]\nurl = "x"\ncolour = "rde"', "profiles.prod.colour: 'rde' is no colour"),
        ('[profiles.prod]\nurl = "x"\nread_only = "no"', "'no' is not true or false"),
        ('[profiles."p q"]\nurl = "x"', "profiles.p q: a name has 1 to 16 letters, digits"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_field(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableConfiguration) as refused:
        read(tmp_path, text)
    said = str(refused.value)
    assert said.startswith(str(tmp_path / "console.toml"))
    assert reason in said
    assert "\n" not in said
    assert "hidden" not in said


def test_a_file_that_cannot_be_read_is_told_from_one_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnreadableConfiguration, match="Is a directory"):
        read_configuration(tmp_path, ALLOWED)
