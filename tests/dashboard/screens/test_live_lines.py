"""Live: going anywhere on a board that is longer than the lines that are here."""

from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import find_board, watch_live
from tests.support.console.service_peer import ServicePeer, fill


async def test_a_thousand_rows_can_be_walked() -> None:
    async with watch_live(fill(1_000)) as operator:
        assert "1,000 players, all listed" in operator.notice
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
        assert "4,211 to 5,000 listed" in operator.notice
        await operator.press("g", "1", "enter")
        assert find_board(operator).selected == 1
        assert "place 1 of 5,000 players, 1 to 1,000 listed" in operator.notice


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
        assert "2,501 to 3,500 listed" in operator.notice
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
        assert "3,500 to 4,499 listed" in operator.notice
        assert find_board(operator).selected == 4_000


async def test_a_board_that_became_shorter_shows_what_is_left() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("end", "end")
        assert "4,500 to 5,000 listed" in operator.notice
        operator.peer.scores = operator.peer.scores[:3]
        await operator.pass_time(2.0)
        assert "of 3 players, all listed" in operator.notice
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
        assert "3,500 to 3,900 listed" in operator.notice
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
