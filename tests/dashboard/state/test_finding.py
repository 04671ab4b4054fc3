"""What a few letters may mean, without a screen."""

import pytest

from dashboard.client.answers import BoardFacts, Season
from dashboard.state.finding import BoardFound, Known, PlayersFound, list_found

LAPS = BoardFacts("laps", "Laps", "open", Season(3, "open"), 9)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("laps 1", [1]),
        ("laps 3", [None]),
        ("laps previous", [2]),
        # Seasons count from 1 to the one that is open.
        ("laps 0", []),
        ("laps 4", []),
    ],
)
def test_only_seasons_that_there_are_can_be_meant(wanted: str, numbers: list[int | None]) -> None:
    found = list_found(wanted, Known(boards=[LAPS]), PlayersFound())
    seasons = [one.season for one in found if isinstance(one, BoardFound)]
    assert [season and season.number for season in seasons] == numbers
