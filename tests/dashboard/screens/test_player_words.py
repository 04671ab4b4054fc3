"""Player: what is offered, what is said, and that no figure is cut."""

import httpx

from dashboard.text.numbers import write_percentile
from service.standings.schemas import compute_percentile
from tests.support.console.operating import Operator, look_up, look_up_again, watch_live


async def compare(operator: Operator, wanted: str) -> None:
    await operator.press("c")
    await operator.type(wanted)
    await operator.press("enter")


async def test_the_footer_says_what_c_does_now() -> None:
    async with watch_live() as operator:
        await operator.press("2", "escape")
        assert "c Compare" not in operator.screen_text
        await operator.press("c")
        assert "Compare with" not in operator.screen_text
        await look_up_again(operator, "donald")
        assert "c Compare " in operator.screen_text
        await compare(operator, "ada")
        assert "c Stop comparing" in operator.screen_text
        assert "c Compare " not in operator.screen_text
        await operator.press("c")
        assert "c Compare " in operator.screen_text
        assert "ahead of" not in operator.screen_text


async def test_a_player_is_not_compared_with_the_same() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        for wanted in ("5", "#5", "donald"):
            assert operator.toasts == [], wanted
            await operator.press("c")
            await operator.type(wanted)
            await operator.press("enter")
            assert operator.toasts == ["That is the player shown here: name another."], wanted
            assert "c Compare " in operator.screen_text, wanted
            operator.console.clear_notifications()


async def test_a_player_whose_name_is_a_number_can_be_compared_with_that_one() -> None:
    async with watch_live() as operator:
        operator.peer.scores = [
            (number, "2" if number == 5 else name, score)
            for number, name, score in operator.peer.scores
        ]
        await look_up(operator, "5")
        await compare(operator, "2")
        assert "grace is " in operator.read("#comparison")


async def test_a_comparison_says_what_it_lacks() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        await compare(operator, "Ada")
        assert operator.read("#comparison").startswith(" No player has the id or name “Ada”.")
        await operator.press("c")
        await compare(operator, "newcomer")
        assert "“newcomer” has no sessions yet" in operator.read("#comparison")
        await operator.press("c")
        await compare(operator, "ada")
        await look_up_again(operator, "ada")
        assert "Both are the same player" in operator.read("#comparison")


async def test_one_point_ahead_is_one_point() -> None:
    async with watch_live() as operator:
        operator.peer.scores[0] = (1, "ada", 8_701)
        await look_up(operator, "ada")
        await compare(operator, "grace")
        assert operator.read("#comparison") == " ada is 1 point and 1 rank ahead of grace"


async def test_an_error_without_a_full_stop_gets_one_before_what_follows() -> None:
    async with watch_live() as operator:
        operator.peer.fail = lambda request: (
            httpx.Response(502) if "/players" in request.url.path else None
        )
        await look_up(operator, "donald")
        assert "http_502: the answer was HTTP 502 without a reason. Asked again" in operator.notice


async def test_a_long_wish_that_is_cut_says_so() -> None:
    async with watch_live() as operator:
        await look_up(operator, "12345678901234567890123456")
        assert "name “12345678901234567890123456”." in operator.notice
        await look_up_again(operator, "9" * 50)
        assert f"“{'9' * 37}…”" in operator.notice


async def test_points_and_ranks_while_watched_have_their_units() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        assert "±0 points, ±0 ranks while watched" in operator.screen_text
        operator.peer.add_score(5, 3_000)
        await operator.pass_time(2.2)
        assert "+3,000 points, ▲1 rank while watched" in operator.screen_text
        operator.peer.add_score(5, -4_000)
        await operator.pass_time(2.2)
        assert "\N{MINUS SIGN}1,000 points, ▼1 rank while watched" in operator.screen_text


def test_only_the_first_is_ahead_of_all() -> None:
    assert write_percentile(1, 970_034) == "100.00"
    assert write_percentile(25, 970_034) == "99.998"
    assert write_percentile(2, 970_034) == "99.9999"
    assert write_percentile(970_034, 970_034) == "0.00"
    for rank in (1, 98, 300_371, 500_000):
        assert write_percentile(rank, 970_034) == f"{compute_percentile(rank, 970_034):.2f}"


async def test_figures_of_a_million_players_are_whole_side_by_side() -> None:
    sizes = [(120, 36), (80, 24), (80, 36), (120, 24)]
    async with watch_live(size=sizes[0]) as operator:
        near = [
            {
                "user_id": number,
                "username": f"SilverYak96443{number}",
                "score": 123_480 - 6 * number,
                "score_text": str(123_480 - 6 * number),
                "rank": 300_366 + number,
            }
            for number in (3, 4, 5)
        ]

        def stand_far_down(request: httpx.Request) -> httpx.Response | None:
            base = operator.peer.describe_top() | {"players": 970_075}
            if "/around/" in request.url.path:
                return httpx.Response(200, json=base | {"entries": near})
            if "/rank/" in request.url.path:
                own = near[int(request.url.path[-1]) - 3]
                return httpx.Response(200, json=base | own | {"percentile": 69.04})
            return None

        operator.peer.fail = stand_far_down
        await look_up(operator, "5")
        await operator.pass_time(2.2)
        for size in sizes:
            await operator.resize(*size)
            assert "SilverYak964434" in operator.screen_text, size
        await compare(operator, "4")
        for size in sizes:
            await operator.resize(*size)
            await operator.pass_time(2.2)
            check_side_by_side(operator.screen_text, size)


def check_side_by_side(shown: str, size: tuple[int, int]) -> None:
    assert "7 points to pass #300,370" in shown, size
    assert "7 points to pass #300,369" in shown, size
    assert shown.count("of 970,075 players") == 2, size
    assert shown.count("±0 points, ±0 ranks") == 2, size
    assert shown.count("SilverYak964434") >= 2, size
    assert shown.count(" 123,456") >= 2, size
    if size[0] == 80 or size[1] == 24:
        assert "#300,371 of 970,075" in shown, size
        assert "#300,370 of 970,075" in shown, size
        assert shown.count("percentile 69.04") == 2, size
    assert shown.count("  id 5") == 1, size
    assert "…" not in shown.split("Neighbours", maxsplit=1)[0], size


async def test_the_time_of_the_board_is_not_taken_for_that_of_the_reading() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        assert "of 9 players, board as of 12:00:0" in operator.screen_text
