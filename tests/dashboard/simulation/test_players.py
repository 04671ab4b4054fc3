import pytest

from dashboard.simulation.client.requests import Target
from dashboard.simulation.errors import ServiceUnreachable, UnexpectedAnswer
from dashboard.simulation.players import find_players
from tests.support.simulation_peer import run_peer


async def test_players_are_drawn_from_those_that_exist() -> None:
    async with run_peer(players=200) as peer:
        found = await find_players(Target(peer.url), 50, seed=1)
        again = await find_players(Target(peer.url), 50, seed=1)
        others = await find_players(Target(peer.url), 50, seed=2)
        assert len(set(found)) == 50
        assert set(found) <= set(peer.players)
        assert again == found
        assert set(others) != set(found)
        assert len(peer.players) == 200


async def test_gaps_between_the_ids_are_passed_over() -> None:
    async with run_peer() as peer:
        peer.players = {user_id: f"player_{user_id}" for user_id in range(3, 3_000, 3)}
        found = await find_players(Target(peer.url), 40, seed=1)
        assert len(set(found)) == 40
        assert set(found) <= set(peer.players)


async def test_players_that_are_missing_are_created() -> None:
    async with run_peer(players=3) as peer:
        progress: list[int] = []
        found = await find_players(Target(peer.url), 20, seed=7, on_progress=progress.append)
        assert len(set(found)) == 20
        assert {1, 2, 3} <= set(found) <= set(peer.players)
        assert peer.players[4] == "sim_7_0"
        assert progress == sorted(progress)
        assert progress[-1] == 20


async def test_a_name_that_is_taken_is_the_player_of_an_earlier_run() -> None:
    async with run_peer(players=0) as peer:
        first = await find_players(Target(peer.url), 10, seed=7)
        # Out of reach of a draw, so that only its name leads to the player.
        peer.players = {user_id + 1_000_000: name for user_id, name in peer.players.items()}
        second = await find_players(Target(peer.url), 10, seed=7)
        assert sorted(second) == [user_id + 1_000_000 for user_id in sorted(first)]


async def test_nobody_is_made_for_a_board_that_is_not_there() -> None:
    async with run_peer(players=3) as peer:
        with pytest.raises(UnexpectedAnswer, match="GET /api/boards/typo with 404"):
            await find_players(Target(peer.url, board="typo"), 20, seed=7)
        assert len(peer.players) == 3


async def test_where_nothing_answers_the_url_and_the_way_out_are_named() -> None:
    with pytest.raises(ServiceUnreachable, match=r"http://127\.0\.0\.1:1: start one with"):
        await find_players(Target("http://127.0.0.1:1"), 1, seed=1)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((404, b"<h1>It works!</h1>"), "404: <h1>It works!</h1>"),
        ((503, {"error": "No database", "code": "database_unavailable"}), "503: No database"),
        ((200, {"players": None}), "no players: its database is away"),
        ((200, {"hello": "world"}), "something else than a leaderboard's JSON"),
        (b"nonsense\r\n\r\n", "a broken connection"),
    ],
)
async def test_an_answer_that_is_no_leaderboards_is_shown(
    reply: tuple[int, object] | bytes, words: str
) -> None:
    async with run_peer() as peer:
        peer.misbehave = lambda _: reply
        with pytest.raises(UnexpectedAnswer) as caught:
            await find_players(Target(peer.url), 1, seed=1)
    assert "answered GET /api/ops/status with " + words in str(caught.value)
