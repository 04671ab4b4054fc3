"""Live: the cursor, the filter, what changes on the lines, and what they are worth."""

import httpx
import pytest
from textual.widgets import Input

from dashboard.client.gateway import TOP_LIMIT
from dashboard.screens.live.board_view import BoardView
from dashboard.state.board import Line
from dashboard.widgets.movement import describe_movement
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import find_board, watch_live
from tests.support.console.service_peer import ServicePeer


async def test_the_cursor_follows_the_player_and_not_the_row() -> None:
    async with watch_live() as operator:
        await operator.press("down", "down", "down")
        board = find_board(operator)
        assert board.selected == 4
        operator.peer.add_score(9, 50_000)
        await operator.pass_time()
        assert board.selected == 4
        line = board.read_selected()
        assert line is not None
        assert (line.username, line.rank) == ("barbara", 5)


async def test_the_cursor_stays_in_place_when_its_player_is_gone() -> None:
    async with watch_live() as operator:
        await operator.press("down", "down", "down")
        operator.peer.scores = [row for row in operator.peer.scores if row[0] != 4]
        operator.peer.publish()
        await operator.pass_time()
        assert find_board(operator).selected == 5


async def test_the_cursor_waits_on_the_first_line_until_a_player_is_chosen() -> None:
    async with watch_live() as operator:
        board = find_board(operator)
        assert board.selected == 1
        operator.peer.add_score(9, 50_000)
        await operator.pass_time()
        assert board.selected == 9


async def test_the_view_stays_when_the_chosen_player_falls_out_of_it() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player {number}", 10_000 - number) for number in range(1, 101)]
    async with watch_live(peer, size=(80, 24)) as operator:
        await operator.press("down", "up")
        operator.peer.add_score(1, -9_990)
        await operator.pass_time()
        assert find_board(operator).selected == 1
        assert find_board(operator).scroll_offset.y == 0
        assert "1 ▲1    player 2 " in operator.screen_text
        await operator.press("up")
        assert "99 ▲1    player 100 " in operator.screen_text


async def test_a_click_selects_and_a_double_click_looks_up() -> None:
    async with watch_live() as operator:
        await operator.click(BoardView, (10, 3))
        assert find_board(operator).selected == 3
        await operator.click(BoardView, (10, 4), times=2)
        assert "barbara  id 4" in operator.screen_text


async def test_filter_keeps_true_ranks_and_escape_shows_all() -> None:
    async with watch_live() as operator:
        await operator.press("F")
        await operator.type("ar")
        assert "2 of the 9 listed match “ar”" in operator.notice
        shown = operator.screen_text
        assert "4       barbara" in shown
        assert "9       margaret" in shown
        assert "edsger  " not in shown.split("Movers")[0]
        await operator.press("escape")
        assert "place 1 of 9 players, all listed" in operator.notice


async def test_go_to_rank_finds_it_or_says_the_range() -> None:
    async with watch_live() as operator:
        await operator.press("g", "6", "enter")
        assert find_board(operator).selected == 6
        await operator.press("g", "3", "enter")
        # Nobody is third where two are second: the next worse rank is the answer.
        assert find_board(operator).selected == 4
        await operator.press("g", "9", "9", "enter")
        assert operator.toasts[-1].startswith("Ranks go from 1 to 9.")
        await operator.press("g")
        operator.console.screen.query_one("Prompt Input", Input).value = "9" * 5_000
        await operator.press("enter")
        assert find_board(operator).selected == 4


async def test_a_followed_player_stays_in_sight() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player {number}", 10_000 - number) for number in range(1, 101)]
    async with watch_live(peer, size=(80, 24)) as operator:
        await operator.press("f")
        assert "» player 1 " in operator.screen_text
        operator.peer.add_score(1, -9_990)
        await operator.pass_time()
        assert find_board(operator).selected == 1
        assert "100 ▼99   » player 1 " in operator.screen_text
        await operator.press("f")
        assert find_board(operator).followed is None


async def test_a_changed_row_flashes_for_600_ms() -> None:
    async with watch_live() as operator:
        board = find_board(operator)
        flash = board.get_component_rich_style("board--flash").bgcolor

        def is_flashing(y: int) -> bool:
            return any(part.style and part.style.bgcolor == flash for part in board.render_line(y))

        operator.peer.add_score(5, 1)
        await operator.pass_time(0.2)
        assert [is_flashing(y) for y in range(1, 10)].index(True) == 4
        assert sum(is_flashing(y) for y in range(1, 10)) == 1
        await operator.pass_time(0.6)
        assert not any(is_flashing(y) for y in range(1, 10))


async def test_paused_holds_back_counts_and_shows_the_newest_afterwards() -> None:
    async with watch_live() as operator:
        await operator.press("space")
        for _ in range(3):
            operator.peer.add_score(9, 20_000)
            await operator.pass_time(0.2)
        assert "Paused since 12:00:00: 3 updates held back" in operator.notice
        assert "9       margaret" in operator.screen_text
        await operator.press("space")
        assert "1 ▲8    margaret" in operator.screen_text
        assert "59,965" in operator.screen_text


async def test_moves_of_a_pause_or_without_connection_are_said_to_be_of_all_of_it() -> None:
    async with watch_live() as operator:
        await operator.pass_time(66.0, step=1.0)
        assert "moves over 1 min" in operator.notice
        operator.peer.go_away()
        await operator.pass_time(400.0, step=1.0)
        operator.peer.come_back()
        operator.peer.add_score(9, 20_000)
        await operator.pass_time(30.0)
        assert "1 ▲8    margaret" in operator.screen_text
        assert "moves over 7 min" in operator.notice
        await operator.pass_time(70.0, step=1.0)
        assert "▲8" not in operator.screen_text
        assert "moves over 1 min" in operator.notice
        await operator.press("space")
        await operator.pass_time(300.0, step=1.0)
        await operator.press("space")
        assert "moves over 5 min" in operator.notice


async def test_submits_a_second_come_from_the_ledger() -> None:
    async with watch_live() as operator:
        operator.peer.highest_session_id += 500
        await operator.pass_time(2.0)
        assert "250/s submitted" in operator.read("#traffic")


async def test_the_service_is_asked_for_as_many_lines_as_it_gives() -> None:
    async with watch_live() as operator:
        assert f"/api/boards/global/stream?limit={TOP_LIMIT}" in operator.peer.requests


async def test_stale_data_is_dimmed_and_kept() -> None:
    async with watch_live() as operator:
        board = find_board(operator)
        operator.peer.away = {"worker"}
        await operator.pass_time(4.0)
        assert "no worker runs, so ranks stand still" in operator.notice
        assert "as of 12:00:0" in operator.notice
        assert all(part.style and part.style.dim for part in board.render_line(1))
        operator.peer.away = set()
        await operator.pass_time(2.2)
        assert operator.notice.startswith(" ● live")
        assert not any(part.style and part.style.dim for part in board.render_line(1))


async def test_a_filter_that_nobody_matches_says_what_to_do() -> None:
    async with watch_live() as operator:
        await operator.press("F")
        await operator.type("zzz")
        ways = "escape shows all, then / finds any player"
        assert f"Nobody of these 9 matches “zzz”; {ways}" in " ".join(operator.notice.split())
        # In the field it is one more character.
        await operator.press("2")
        assert "matches “zzz2”" in operator.notice
        await operator.press("escape", "2")
        assert "Type a player's id or exact name." in operator.notice


async def test_enter_looks_the_player_up() -> None:
    async with watch_live() as operator:
        await operator.press("down", "enter")
        await operator.pass_time()
        assert "grace  id 2" in operator.screen_text


async def test_the_columns_of_a_million_players_stay_in_line() -> None:
    async with watch_live() as operator:

        def stand_far_down(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/page"):
                return None
            body = operator.peer.describe_top()
            for entry in body["entries"]:
                entry["rank"] = 1_000_000
            return httpx.Response(200, json=body)

        operator.peer.add_score(5, 100)
        operator.peer.fail = stand_far_down
        await operator.pass_time(2.0)
        for size in ((120, 36), (80, 24)):
            await operator.resize(*size)
            lines = operator.screen_text.splitlines()
            line = next(line for line in lines if "donald  " in line and "5,100" in line)
            assert line.lstrip().startswith("=1,000,000 ▼999k donald "), size
            end = lines[2].index("Scored") + len("Scored")
            assert line[:end].endswith((" now", " 5 s")), size


@pytest.mark.parametrize(
    ("ranks", "text"),
    [(7, "▲7    "), (999, "▲999  "), (1_000, "▲1.0k "), (9_999, "▲9.9k "), (957_633, "▲957k ")],
)
def test_a_movement_fits_its_column(ranks: int, text: str) -> None:
    line = Line(1, "ada", 1, False, 5, "5", ranks, 0, "", False, (), None, False)  # noqa: FBT003
    assert describe_movement(line.climbed, line.gained)[0] == text
