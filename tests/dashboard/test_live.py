from dashboard.answers import Entry, Top
from dashboard.gateway import TOP_LIMIT
from dashboard.messages import TopArrived
from dashboard.widgets.board_view import BoardView
from tests.dashboard.frozen_clock import FrozenClock
from tests.dashboard.operating import Operator, watch_live
from tests.dashboard.service_peer import ServicePeer, list_entries


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
        assert operator.toasts[-1].startswith("Ranks on this board go from 1 to 9")
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
        assert "Nobody in the first 9 matches; escape shows all" in operator.notice


async def test_a_thousand_rows_can_be_walked() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player {number}", 10_000 - number) for number in range(1, 1_001)]
    peer.silent = True
    async with watch_live(peer) as operator:
        top = Top(
            tuple(
                Entry(row["user_id"], row["username"], row["total_score"], row["rank"])
                for row in list_entries(peer.scores)
            ),
            players=1_000,
            as_of=peer.clock.now(),
        )
        operator.console.post_message(TopArrived(top))
        await operator.pass_time()
        await operator.press("end")
        assert "1,000 NEW   player 1000" in operator.screen_text
        await operator.press("pageup", "g", "5", "0", "0", "enter")
        assert find_board(operator).selected == 500
        await operator.press("home")
        assert find_board(operator).selected == 1


async def test_enter_looks_the_player_up() -> None:
    async with watch_live() as operator:
        await operator.press("down", "enter")
        await operator.pass_time()
        assert "grace  id 2" in operator.screen_text
