import httpx
import pytest
from textual.widgets import Input

from dashboard.board import Line
from dashboard.gateway import TOP_LIMIT
from dashboard.widgets.board_columns import describe_movement
from dashboard.widgets.board_view import BoardView
from tests.dashboard.frozen_clock import FrozenClock
from tests.dashboard.operating import Operator, watch_live
from tests.dashboard.service_peer import ServicePeer


def find_board(operator: Operator) -> BoardView:
    return operator.console.screen.query_one(BoardView)


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
        await operator.press("slash")
        await operator.type("ar")
        assert "2 shown of 9 players" in operator.notice
        shown = operator.screen_text
        assert "4       barbara" in shown
        assert "9       margaret" in shown
        assert "edsger  " not in shown.split("Movers")[0]
        await operator.press("escape")
        assert "first 9 of 9 players" in operator.notice


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
        assert "Paused: 3 updates held back" in operator.notice
        assert "9       margaret" in operator.screen_text
        await operator.press("space")
        assert "1 ▲8    margaret" in operator.screen_text
        assert "59,965" in operator.screen_text


async def test_moves_of_a_pause_or_without_connection_are_said_to_be_of_all_of_it() -> None:
    async with watch_live() as operator:
        await operator.pass_time(66.0)
        assert "moves over 1 min" in operator.notice
        operator.peer.go_away()
        await operator.pass_time(400.0)
        operator.peer.come_back()
        operator.peer.add_score(9, 20_000)
        await operator.pass_time(30.0)
        assert "1 ▲8    margaret" in operator.screen_text
        assert "moves over 7 min" in operator.notice
        await operator.pass_time(70.0)
        assert "▲8" not in operator.screen_text
        assert "moves over 1 min" in operator.notice
        await operator.press("space")
        await operator.pass_time(300.0)
        await operator.press("space")
        assert "moves over 5 min" in operator.notice


async def test_submits_a_second_come_from_the_ledger() -> None:
    async with watch_live() as operator:
        operator.peer.highest_session_id += 500
        await operator.pass_time(2.0)
        assert "250/s submitted" in operator.read("#traffic")


async def test_the_service_is_asked_for_as_many_lines_as_it_gives() -> None:
    async with watch_live() as operator:
        assert f"/api/leaderboard/stream?limit={TOP_LIMIT}" in operator.peer.requests


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
        await operator.press("slash")
        await operator.type("zzz")
        assert "Nobody of these 9 matches; escape shows all" in operator.notice


def fill(players: int) -> ServicePeer:
    peer = ServicePeer(FrozenClock())
    peer.scores = [
        (number, f"player {number}", 99_999 - number) for number in range(1, players + 1)
    ]
    return peer


async def test_a_thousand_rows_can_be_walked() -> None:
    async with watch_live(fill(1_000)) as operator:
        assert "first 1,000 of 1,000 players" in operator.notice
        await operator.press("end")
        assert "1,000       player 1000" in operator.screen_text
        await operator.press("pageup", "g", "5", "0", "0", "enter")
        assert find_board(operator).selected == 500
        await operator.press("home")
        assert find_board(operator).selected == 1


async def test_go_to_rank_goes_anywhere_and_back() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("g")
        await operator.type("4,711")
        await operator.press("enter")
        assert find_board(operator).selected == 4_711
        assert "4,211 to 5,000 of 5,000 players" in operator.notice
        await operator.press("g", "1", "enter")
        assert find_board(operator).selected == 1
        assert "first 1,000 of 5,000 players" in operator.notice


async def test_the_board_goes_on_beyond_its_last_line_and_its_first() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("end", "down")
        assert find_board(operator).selected == 1_001
        await operator.press("end", "end")
        assert find_board(operator).selected == 5_000
        await operator.press("home", "up")
        assert find_board(operator).selected == 4_499
        await operator.press("home", "home")
        assert find_board(operator).selected == 1


async def test_a_rank_in_a_tie_longer_than_the_board_is_shown_with_its_true_rank() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [
        (number, f"player {number}", 7 if number > 10 else 9) for number in range(1, 3_001)
    ]
    async with watch_live(peer) as operator:
        await operator.press("g", "2", "0", "0", "0", "enter")
        assert find_board(operator).selected == 2_000
        assert "=11       player 2000" in operator.screen_text


async def test_a_followed_player_is_followed_out_of_the_lines_that_are_here() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("down", "f")
        operator.peer.add_score(2, -3_000)
        await operator.pass_time(2.0)
        assert find_board(operator).selected == find_board(operator).followed == 2
        assert "» player 2 " in operator.screen_text
        assert "2,501 to 3,500 of 5,000 players" in operator.notice
        await operator.press("g", "1", "enter")
        await operator.pass_time(3.0)
        assert find_board(operator).followed is None
        assert find_board(operator).selected == 1


async def test_on_an_empty_board_there_is_no_rank_to_go_to() -> None:
    async with watch_live(fill(0)) as operator:
        await operator.press("g", "1", "enter")
        assert operator.toasts == ["Nobody has a rank yet."]
        await operator.press("end", "down", "home", "f", "y")
        assert operator.toasts[1:] == ["Nothing to copy yet."]


async def test_a_look_for_a_followed_player_does_not_undo_a_later_wish() -> None:
    async with watch_live(fill(5_000)) as operator:
        operator.peer.rank_seconds = 2.0
        await operator.press("down", "f")
        operator.peer.add_score(2, -3_000)
        await operator.pass_time(0.6)
        await operator.press("g", "4", "0", "0", "0", "enter")
        await operator.pass_time(4.0)
        assert "3,500 to 4,499 of 5,000 players" in operator.notice
        assert find_board(operator).selected == 4_000


async def test_a_board_that_became_shorter_shows_what_is_left() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("end", "end")
        assert "4,500 to 5,000 of 5,000 players" in operator.notice
        operator.peer.scores = operator.peer.scores[:3]
        await operator.pass_time(2.0)
        assert "first 3 of 3 players" in operator.notice
        assert find_board(operator).selected == 1
        operator.peer.scores = []
        await operator.pass_time(2.0)
        assert "Nobody has played yet" in operator.notice


async def test_a_place_that_is_gone_when_its_lines_come_is_given_up_for_the_last() -> None:
    async with watch_live(fill(5_000)) as operator:
        operator.peer.page_seconds = 1.0
        await operator.press("g", "4", "0", "0", "0")
        operator.peer.scores = operator.peer.scores[:3_900]
        await operator.press("enter")
        await operator.pass_time(6.0)
        assert "3,500 to 3,900 of 3,900 players" in operator.notice
        assert find_board(operator).selected == 3_900


async def test_other_ranks_are_not_gone_to_while_paused_or_away_and_it_says_so() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("space", "g", "4", "0", "0", "0", "enter")
        assert operator.toasts[-1] == "Paused: press space, then go there."
        await operator.press("space")
        operator.peer.go_away()
        await operator.pass_time(1.0)
        await operator.press("g", "4", "0", "0", "0", "enter")
        assert operator.toasts[-1] == "Only the lines that are here can be shown now."
        await operator.press("g", "9", "0", "0", "enter")
        assert find_board(operator).selected == 900


async def test_enter_looks_the_player_up() -> None:
    async with watch_live() as operator:
        await operator.press("down", "enter")
        await operator.pass_time()
        assert "grace  id 2" in operator.screen_text


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_columns_of_a_million_players_stay_in_line(size: tuple[int, int]) -> None:
    async with watch_live(size=size) as operator:

        def stand_far_down(request: httpx.Request) -> httpx.Response | None:
            if not request.url.path.endswith("/page"):
                return None
            body = operator.peer.describe_top()
            for entry in body["leaderboard"]:
                entry["rank"] = 1_000_000
            return httpx.Response(200, json=body)

        operator.peer.add_score(5, 100)
        operator.peer.fail = stand_far_down
        await operator.pass_time(2.0)
        lines = operator.screen_text.splitlines()
        line = next(line for line in lines if "donald  " in line and "5,100" in line)
        assert line.lstrip().startswith("=1,000,000 ▼999k donald ")
        end = lines[2].index("Scored") + len("Scored")
        assert line[:end].endswith((" now", " 5 s"))


@pytest.mark.parametrize(
    ("ranks", "text"),
    [(7, "▲7    "), (999, "▲999  "), (1_000, "▲1.0k "), (9_999, "▲9.9k "), (957_633, "▲957k ")],
)
def test_a_movement_fits_its_column(ranks: int, text: str) -> None:
    line = Line(1, "ada", 1, False, 5, ranks, 0, (), None, False)  # noqa: FBT003
    assert describe_movement(line)[0] == text
