"""Live: by which column the lines are sorted, and which columns there are."""

import json
from pathlib import Path

import pytest

from dashboard.configuration.columns import (
    COLUMNS,
    DEFAULT_COLUMNS,
    Sorting,
    read_columns,
    read_sorting,
)
from dashboard.configuration.file import Configuration
from dashboard.configuration.preferences import Choices, Preferences
from dashboard.screens.live.board_view import BoardView, choose_layout
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, find_board, open_console, watch_live
from tests.support.console.service_peer import ServicePeer, fill, make_mover, make_movers


def read_names(operator: Operator) -> list[str]:
    """Return the names in the lines of the board, from the top."""
    board = operator.console.screen.query_one(BoardView)
    return [board._board.entries[index].username for index in board.listed]


def read_head(operator: Operator) -> str:
    """Return the head line of the board, without what stands beside it."""
    width = operator.console.screen.query_one(BoardView).size.width
    return operator.screen_text.splitlines()[2][:width]


async def test_lines_are_sorted_by_the_next_column_and_the_other_way_round() -> None:
    async with watch_live() as operator:
        by_rank = read_names(operator)
        operator.peer.add_score(9, 2_000)
        operator.peer.add_score(8, 7_000)
        await operator.pass_time(0.4)
        # Rank, movement, name.
        await operator.press("o")
        assert "Move↓" in read_head(operator)
        assert read_names(operator)[:2] == ["linus", "margaret"]
        assert "all 9 players, sorted by Move over 0.6 s: O turns it round" in operator.notice
        await operator.press("o")
        assert read_names(operator) == sorted(by_rank)
        await operator.press("O")
        assert "Player↑" in read_head(operator)
        assert read_names(operator) == sorted(by_rank, reverse=True)
        await operator.press("o", "o")
        assert "Gain↓" in read_head(operator)
        assert read_names(operator)[:2] == ["linus", "margaret"]
        await operator.press("o")
        # Who has not scored comes last, either way.
        assert "Scored↓" in read_head(operator)
        await operator.press("O")
        assert set(read_names(operator)[:2]) == {"linus", "margaret"}
        await operator.press("o")
        assert read_names(operator)[0] == "ada"
        assert "↓" not in read_head(operator)


async def test_a_click_on_a_head_sorts_and_another_turns_it_round() -> None:
    async with watch_live() as operator:
        head = read_head(operator)
        at = (head.index("Player"), 0)
        await operator.click(BoardView, at)
        assert read_names(operator)[0] == "ada"
        assert "Player↓" in read_head(operator)
        await operator.click(BoardView, at)
        assert read_names(operator)[0] == "margaret"
        # By a graph nothing can be sorted, and nobody is looked up by a head.
        await operator.click(BoardView, (head.index("Trend"), 0), times=2)
        assert "Player↑" in read_head(operator)
        assert operator.console.current_mode == "live"


async def test_the_cursor_stays_with_the_player_and_ranks_are_found_however_it_is_sorted() -> None:
    async with watch_live(fill(5_000)) as operator:
        board = find_board(operator)
        await operator.press("down", "down")
        selected = board.selected
        await operator.press("o", "o")
        assert board.selected == selected
        await operator.press("g")
        await operator.type("700")
        await operator.press("enter")
        line = board.read_selected()
        assert line is not None
        assert line.rank == 700
        # The last line of a sorted list is not the place beyond which the board goes on.
        await operator.press("end", "down")
        await operator.pass_time(1.0)
        assert "1,000 listed of 5,000" in operator.notice


async def test_the_cursor_is_in_sight_however_the_lines_are_sorted() -> None:
    async with watch_live(fill(5_000)) as operator:
        await operator.press("o", "o", "g")
        await operator.type("90")
        await operator.press("enter")
        board = find_board(operator)
        for _ in COLUMNS:
            await operator.press("o")
            assert board.selected == 90
            assert " player 90 " in operator.screen_text
            assert board.read_selected() is not None


async def test_another_season_starts_by_rank_and_escape_goes_back_to_it() -> None:
    async with watch_live(drive_laps()) as operator:
        await operator.press("o", "o")
        assert "Player↓" in read_head(operator)
        await choose_board(operator, "laps", "6")
        assert "↓" not in read_head(operator)
        assert "sorted" not in operator.notice
        await operator.press("o", "o")
        assert read_names(operator) == ["ada", "barbara", "grace", "hal"]
        assert "o next column, escape by rank" in operator.notice
        await operator.press("escape")
        assert read_names(operator)[0] == "barbara"
        assert "sorted" not in operator.notice
        # Of a filter and a sorting the filter goes first.
        await operator.press("o", "o", "F", "a", "enter", "escape")
        assert "sorted by Player" in operator.notice


async def test_a_small_terminal_names_the_way_back_and_the_time_of_the_moves() -> None:
    async with watch_live(fill(11_205), size=(80, 24)) as operator:
        await operator.pass_time(66.0, step=1.0)
        assert "moves over 1 min" in operator.notice
        await operator.press("o")
        assert operator.notice.endswith("sorted by Move over 1 min: o next column, escape by rank")
        await operator.press("o")
        assert operator.notice.endswith(
            "1,000 listed of 11,205, sorted by Player: o next column, escape by rank"
        )


async def test_columns_are_chosen_and_kept(tmp_path: Path) -> None:
    preferences = Preferences(Configuration(), choices=Choices(tmp_path))
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, preferences=preferences) as operator:
        await operator.pass_time()
        await operator.press("C")
        assert "[x] Rank" in operator.screen_text
        await operator.press("space")
        assert operator.toasts[-1] == "Rank is always there."
        # The trend goes, and the id comes.
        await operator.press("down", "down", "down", "down", "down", "space")
        await operator.press("down", "down", "space", "escape")
        assert "Trend" not in read_head(operator)
        assert read_head(operator).split()[-2:] == ["Scored", "Id"]
        await operator.press("o", "o")
        kept = json.loads((tmp_path / "console-choices.json").read_text())
        columns = ["rank", "move", "player", "score", "gain", "seen", "id"]
        assert kept["columns"] == {"chosen": columns, "over": None}
        assert kept["sort"] == {"chosen": "player", "over": None}
    async with open_console(peer, preferences=preferences) as operator:
        await operator.pass_time()
        assert read_head(operator).split()[-2:] == ["Scored", "Id"]
        assert "Player↓" in read_head(operator)


async def test_columns_of_the_file_stand_in_its_order_and_give_way_to_the_name() -> None:
    columns = ("id", "player", "rank", "score", "move", "gain")
    preferences = Preferences(Configuration(columns=columns, sort="-id"))
    peer = ServicePeer(FrozenClock())
    async with open_console(peer, preferences=preferences) as operator:
        await operator.pass_time()
        heads = ["Id↑", "Player", "Rank", "Score", "Move", "Gain"]
        assert read_head(operator).split() == heads
        assert read_names(operator)[0] == "margaret"
        line = operator.screen_text.splitlines()[3]
        assert line.split()[:4] == ["9", "margaret", "9", "-35"]
        await operator.resize(80, 24)
        assert read_head(operator).split() == heads
    kept = [name for name, _ in choose_layout(columns, 60, 8)]
    assert kept == ["player", "rank", "score", "move"]


@pytest.mark.parametrize("chosen", [None, "rank", ["rank"], ["rank", "player", "size"], 3, [[]]])
def test_columns_that_cannot_be_shown_are_the_usual_ones(chosen: object) -> None:
    assert read_columns(chosen) == DEFAULT_COLUMNS


@pytest.mark.parametrize("chosen", [None, "size", 3, "", "-", "trend", ["rank"]])
def test_what_cannot_be_sorted_by_is_rank(chosen: object) -> None:
    assert read_sorting(chosen) == Sorting()


@pytest.mark.parametrize("name", [name for name in COLUMNS if COLUMNS[name].sorts])
def test_a_sorting_is_read_as_it_is_written(name: str) -> None:
    for sorting in (Sorting(name), Sorting(name, reverse=True)):
        assert read_sorting(str(sorting)) == sorting


async def test_a_small_terminal_names_the_movers_in_a_line_below_the_board() -> None:
    async with watch_live(size=(80, 24)) as operator:
        assert operator.read("#moved") == ""
        operator.peer.add_score(9, 2_000)
        await operator.pass_time(0.4)
        moved = operator.read("#moved")
        assert moved.startswith(" Movers ▲2 margaret  ▼1 ")
        assert moved.endswith("  of the 9 listed")
        assert len(moved) <= 80
        assert moved in operator.screen_text
        await operator.resize(120, 36)
        assert moved not in operator.screen_text
        assert "margaret" in operator.read("#movers")


async def test_movers_are_those_of_the_whole_board_also_in_a_small_terminal() -> None:
    peer = fill(5_000)
    peer.movers = make_movers(
        "11:58:00",
        make_mover(1_500, 2_345),
        make_mover(1_501, 70),
        make_mover(1_502, -600),
        make_mover(1_503, -5),
    )
    async with watch_live(peer) as operator:
        await operator.pass_time(6.0)
        lines = operator.read("#movers").splitlines()
        assert [line.split() for line in lines[:-1]] == [
            ["▲2.3k", "player1500", "#3,500"],
            ["▼600", "player1502", "#3,502"],
            ["▲70", "player1501", "#3,501"],
            ["▼5", "player1503", "#3,503"],
        ]
        assert lines[-1] == "of all since 11:58:00"
        await operator.resize(80, 24)
        moved = operator.read("#moved")
        assert moved in operator.screen_text
        assert moved == " Movers ▲2.3k player1500  ▼600 player1502  of all since 11:58:00"
        # While the figures are held still, these are too.
        await operator.press("space")
        peer.movers = make_movers("11:58:00", make_mover(1_500, 3_000), complete=False)
        await operator.pass_time(11.0)
        assert operator.read("#moved") == moved
        await operator.press("space")
        await operator.pass_time(2.0)
        assert operator.read("#moved") == " Movers ▲3.0k player1500  of the last 10,000 scores"


async def test_movers_of_the_last_count_stay_until_the_next_one_has_begun() -> None:
    peer = fill(5_000)
    peer.movers = make_movers("11:58:00", make_mover(1_500, 9_000))
    async with watch_live(peer) as operator:
        await operator.pass_time(6.0)
        peer.movers = make_movers("11:59:00", make_mover(1_600, 10))
        await operator.pass_time(15.0)
        assert "player1500" in operator.read("#movers")
        await operator.pass_time(15.0)
        assert "player1500" not in operator.read("#movers")
        assert "of all since 11:59:00" in operator.read("#movers")


async def test_movers_are_those_listed_where_the_service_does_not_say() -> None:
    def list_asked(operator: Operator) -> list[str]:
        return [path for path in operator.peer.requests if "movers" in path]

    async with watch_live(fill(5_000)) as operator:
        operator.peer.scores[500] = (501, "climber", 99_990)
        operator.peer.publish()
        await operator.pass_time(6.0)
        lines = operator.read("#movers").splitlines()
        assert "climber" in lines[0]
        assert lines[-1] == "of the 1,000 listed"
        # Not asked again and again: an older service, or a key that may not.
        await operator.pass_time(40.0, step=1.0)
        assert len(list_asked(operator)) == 1
    # Nobody asks for those of a board that is listed whole, or while nobody looks.
    async with watch_live() as operator:
        operator.peer.add_score(9, 2_000)
        await operator.pass_time(11.0)
        assert "of the" not in operator.read("#movers")
        assert not list_asked(operator)
    peer = fill(5_000)
    peer.movers = make_movers("11:58:00", make_mover(1_500, 9_000))
    async with watch_live(peer) as operator:
        await operator.pass_time(6.0)
        await operator.press("4")
        asked = len(list_asked(operator))
        await operator.pass_time(30.0, step=1.0)
        assert len(list_asked(operator)) == asked > 0
