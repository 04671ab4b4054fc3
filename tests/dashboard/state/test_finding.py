"""What a few letters may mean, without a screen."""

from collections.abc import AsyncIterator

import pytest

from dashboard.client.answers import BoardFacts, Player, Season
from dashboard.client.gateway import BoardSeason, Gateway, Refused
from dashboard.state.finding import BoardFound, Known, PlayersFound, find_everything, list_found
from dashboard.state.lookup import find_player
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.service_peer import URL, ServicePeer

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


@pytest.fixture
async def peer() -> ServicePeer:
    return ServicePeer(FrozenClock())


@pytest.fixture
async def gateway(peer: ServicePeer) -> AsyncIterator[Gateway]:
    gateway = Gateway(URL, peer.transport)
    yield gateway
    await gateway.close()


async def test_an_outage_leaves_what_is_here(gateway: Gateway, peer: ServicePeer) -> None:
    peer.refuse(503, "database_unavailable", "The database is away.", "/players")
    found = await find_everything(gateway, "laps", Known(boards=[LAPS]))
    assert found == [BoardFound(LAPS, None)]


async def test_more_digits_than_python_reads_are_nobody(gateway: Gateway) -> None:
    assert await find_everything(gateway, "9" * 5_000, Known()) == []
    assert await find_player(gateway, "9" * 5_000, BoardSeason()) is None


async def test_while_nobody_knows_who_is_registered_a_rank_does(
    gateway: Gateway, peer: ServicePeer
) -> None:
    registered = await find_player(gateway, "1", BoardSeason())
    assert registered is not None
    peer.refuse(503, "database_unavailable", "The database is away.", "/players")
    assert await find_player(gateway, "1", BoardSeason()) == Player(1, registered.username)
    with pytest.raises(Refused):
        await find_player(gateway, registered.username, BoardSeason())
