"""Live: where one is, which keys move the board, and what the panels beside it are about."""

import httpx
import pytest
from textual.pilot import Pilot

from dashboard.app import list_default_keys
from dashboard.configuration.columns import DEFAULT_COLUMNS
from dashboard.keys.actions import name_key
from dashboard.keys.keymap import KeyNames
from dashboard.screens.live.board_view import (
    BoardView,
    choose_layout,
    draw_board_line,
    measure_rank,
)
from dashboard.screens.live.headline import describe_position
from dashboard.state.board import Line
from dashboard.widgets.panel import Panel
from tests.support.console.operating import Operator, find_board, watch_live
from tests.support.console.service_peer import fill


async def focus_a_panel(operator: Operator) -> None:
    await operator.press("tab", "tab")
    assert isinstance(operator.console.focused, Panel)


async def test_the_board_moves_also_while_a_panel_beside_it_has_the_focus() -> None:
    async with watch_live(fill(100)) as operator:
        await focus_a_panel(operator)
        assert "⏎ Open" in operator.screen_text
        await operator.press("down", "j")
        assert find_board(operator).selected == 3
        await operator.press("end")
        assert find_board(operator).selected == 100
        await operator.press("home", "pagedown", "home", "2", "f1", "down")
        assert find_board(operator).selected == 2
        await operator.press("enter")
        await operator.pass_time()
        assert "player 2  id 2" in operator.screen_text


async def test_the_keys_of_the_board_are_those_of_the_keymap_wherever_the_focus_is() -> None:
    async with watch_live() as operator:
        operator.console.set_keymap({"board.down": "w"})
        await focus_a_panel(operator)
        await operator.press("w")
        assert find_board(operator).selected == 2


async def test_a_maximised_panel_keeps_the_keys_for_itself() -> None:
    async with watch_live() as operator:
        await focus_a_panel(operator)
        await operator.press("m", "down")
        assert find_board(operator).selected == 1


async def test_the_focus_does_not_rest_on_a_panel_that_is_hidden() -> None:
    async with watch_live() as operator:
        await focus_a_panel(operator)
        await Pilot(operator.console).resize_terminal(80, 24)
        await operator.pass_time()
        assert operator.console.focused is find_board(operator)
        await operator.press("down")
        assert find_board(operator).selected == 2


async def test_panels_say_that_they_are_about_the_lines_listed() -> None:
    async with watch_live(fill(5_000)) as operator:
        operator.peer.highest_session_id += 280
        await operator.pass_time(2.0)
        assert "140/s submitted" in operator.read("#traffic")
        assert operator.read("#movers") == "none of these 1,000 players\nhas moved yet"
        assert operator.read("#gainers") == "none of these 1,000 players\nhas scored yet"


async def test_the_place_is_said_and_at_an_edge_how_to_go_on() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("down")
        assert "place 2 of 5,000 players, 1 to 1,000 listed" in operator.notice
        await operator.press("end")
        assert "place 1,000 of 5,000, the last that is listed: down goes on" in operator.notice
        await operator.press("down")
        assert "place 1,001 of 5,000 players, 501 to 1,500 listed" in operator.notice
        await operator.press("home")
        assert "place 501 of 5,000, the first that is listed: up goes on" in operator.notice
        await operator.press("end", "end")
        assert "place 5,000 of 5,000 players, 4,500 to 5,000 listed" in operator.notice


def test_places_of_a_million_players_fit_into_80_columns() -> None:
    keys = KeyNames(list_default_keys(), name_key)
    for place, first, last in (
        (969_900, 969_534, 970_034),
        (969_534, 969_534, 970_034),
        (969_000, 968_001, 969_000),
    ):
        _, short = describe_position(place, range(first, last + 1), 970_034, keys)
        assert len(short) <= 80 - len(" ● live ")


@pytest.mark.parametrize("width", [84, 85])
def test_a_line_with_long_figures_leaves_all_of_them_whole(width: int) -> None:
    line = Line(
        user_id=1,
        username="SilverYak964437",
        rank=1_957_544,
        tied=True,
        score=12_345_678_901_234,
        score_text="12345678901234",
        climbed=-123_456,
        gained=-123_456_789_012,
        gained_text="\N{MINUS SIGN}123,456,789,012",
        improved=False,
        trend=(1, 2),
        seen_seconds=7.0,
        flashing=False,
    )
    layout = choose_layout(DEFAULT_COLUMNS, width, measure_rank(line.rank))
    spans = draw_board_line(line, width, layout, followed=False)
    text = "".join(text for text, _ in spans)
    assert len(text) == width
    for figure in ("=1,957,544 ", "▼123k ", " 12,345,678,901,234 ", "123,456,789,012", " 7 s"):
        assert figure in text


async def test_a_line_that_has_not_scored_says_nothing_in_the_column_scored() -> None:
    async with watch_live() as operator:
        operator.peer.add_score(9, 5)
        await operator.pass_time()
        board: BoardView = find_board(operator)
        assert board.render_line(1).text.rstrip().endswith("▁")
        assert board.render_line(9).text.rstrip().endswith("now")


async def test_the_filter_stays_in_sight_after_enter_also_when_data_is_stale() -> None:
    async with watch_live() as operator:
        await operator.press("F")
        await operator.type("Ar")
        await operator.press("enter")
        assert "2 of the 9 listed match “Ar”; escape shows all" in operator.notice
        assert "Player “Ar”" in operator.screen_text
        operator.peer.away = {"worker"}
        await operator.pass_time(4.0)
        assert "Player “Ar”" in operator.screen_text
        await operator.press("escape")
        assert "“Ar”" not in operator.screen_text


async def test_following_is_in_the_footer_and_its_mark_is_explained() -> None:
    async with watch_live() as operator:
        assert "f Follow" in operator.screen_text
        assert "» followed (f) until you move" in operator.read("#legend")


async def test_a_followed_player_is_found_also_where_each_answer_takes_its_time() -> None:
    async with watch_live(fill(5_000)) as operator:
        operator.peer.rank_seconds = 1.5
        await operator.press("down", "f")
        operator.peer.add_score(2, -3_000)
        await operator.pass_time(6.0)
        assert find_board(operator).selected == find_board(operator).followed == 2
        assert "2,501 to 3,500 listed" in operator.notice


async def test_a_service_that_is_away_is_not_asked_for_a_followed_player() -> None:
    async with watch_live(fill(5_000)) as operator:
        operator.peer.refuse(503, "overloaded", "Later.", "/rank/")
        await operator.press("down", "f")
        operator.peer.add_score(2, -3_000)
        await operator.pass_time(2.0)
        assert "/api/boards/global/rank/2" in operator.peer.requests
        operator.peer.go_away()
        await operator.pass_time(1.0)
        asked = len(operator.peer.requests)
        await operator.pass_time(20.0)
        assert "/api/boards/global/rank/2" not in operator.peer.requests[asked:]
        operator.peer.come_back()
        await operator.pass_time(32.0)
        assert find_board(operator).selected == 2


async def test_a_followed_player_is_found_in_a_tie_longer_than_the_lines() -> None:
    peer = fill(5_000)

    def tie_from(place: int) -> None:
        peer.scores = [
            (number, name, 9_000 - min(number, place)) for number, name, _ in peer.scores
        ]

    tie_from(500)
    peer.scores[4_899] = (4_900, "player 4900", 10_000)
    async with watch_live(peer) as operator:
        await operator.press("down", "up", "f")
        tie_from(500)
        peer.publish()
        await operator.pass_time(4.0)
        board = find_board(operator)
        assert board.selected == board.followed == 4_900
        assert "=500 " in operator.screen_text
        asked = peer.requests.count("/api/boards/global/rank/4900")
        await operator.pass_time(4.0)
        assert peer.requests.count("/api/boards/global/rank/4900") == asked


async def shrink_below_the_lines(operator: Operator) -> int:
    """Let the board end above the lines that are here; return how many requests there were."""
    await operator.press("end", "end")
    assert "4,500 to 5,000 listed" in operator.notice
    asked = len(operator.peer.requests)
    operator.peer.scores = operator.peer.scores[:100]
    operator.peer.publish()
    return asked


def count_pages(operator: Operator, asked: int) -> int:
    return sum("/page?" in request for request in operator.peer.requests[asked:])


async def test_a_board_that_ends_above_the_lines_is_read_from_its_start_on() -> None:
    async with watch_live(fill(5_000)) as operator:
        for _ in range(2):
            await shrink_below_the_lines(operator)
            await operator.pass_time(3.0)
            assert "of 100 players, all listed" in operator.notice
            # Also when it happens again.
            operator.peer.scores = fill(5_000).scores
            operator.peer.publish()
            await operator.pass_time(3.0)


async def test_a_slow_service_whose_board_ends_above_the_lines_has_its_pause() -> None:
    async with watch_live(fill(5_000)) as operator:
        asked = await shrink_below_the_lines(operator)
        operator.peer.page_seconds = 1.0
        await operator.pass_time(3.0)
        assert "of 100 players, all listed" in operator.notice
        # The short lines, then those from the start on; then it is left alone for four seconds.
        assert count_pages(operator, asked) == 2
        await operator.pass_time(2.0)
        assert count_pages(operator, asked) == 2
        await operator.pass_time(2.0)
        assert count_pages(operator, asked) == 3


async def test_a_service_that_refuses_the_start_of_the_board_is_asked_no_more_often() -> None:
    async with watch_live(fill(5_000)) as operator:

        def refuse_start(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/page") or request.url.params["offset"] != "0":
                return None
            return httpx.Response(503, json={"error": "Later.", "code": "overloaded"})

        operator.peer.fail = refuse_start
        asked = await shrink_below_the_lines(operator)
        await operator.pass_time(10.0)
        assert "Asked again each second" in operator.notice
        assert 8 <= count_pages(operator, asked) <= 12
