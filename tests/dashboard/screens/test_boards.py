"""Boards and seasons: how one is chosen, and what the screens show and say of it."""

import csv
from pathlib import Path

import httpx
import pytest
from textual.widgets import Input

from dashboard.screens.console_screen import ConsoleScreen
from tests.support.console.laps import choose_board, drive_busy_boards, drive_laps, set_lap
from tests.support.console.operating import Operator, find_board, look_up, watch_live
from tests.support.console.service_peer import PeerBoard, PeerSeason
from tests.support.console.snapshots import SIZES, check_snapshots
from tests.support.waiting import wait_until

PAGE = "/api/boards/weekly-laps/page?offset=0&limit=1000"


def count_requests(operator: Operator, path: str) -> int:
    return operator.peer.requests.count(path)


async def test_boards_and_seasons_are_listed_and_found_by_typing() -> None:
    async with watch_live(drive_laps()) as operator:
        await operator.press("b")
        await check_snapshots(operator, "boards")
        await operator.resize(*SIZES["wide"])
        await operator.type("zzz")
        assert "no board matches “zzz”" in operator.screen_text
        await operator.press("enter", "ctrl+u")
        await operator.type("wlaps")
        assert "Old [red]cup" not in operator.screen_text
        await operator.press("enter")
        await check_snapshots(operator, "seasons")
        await operator.resize(*SIZES["wide"])
        # Not listed, as of a board with more seasons than are read at once; and one to come.
        await operator.type("3")
        assert "│ 3 " in operator.screen_text
        await operator.press("ctrl+u", "9")
        assert "no season matches “9”" in operator.screen_text
        await operator.press("escape")
        assert "type a part of a title" in operator.screen_text
        await operator.press("up", "up", "down", "pagedown", "pageup", "escape")
        assert "Global" not in operator.screen_text
        assert "board global" in operator.read("#status")


async def test_boards_are_told_with_what_waits_and_when_their_seasons_end() -> None:
    peer = drive_busy_boards()
    async with watch_live(peer) as operator:
        await operator.press("b")
        await check_snapshots(operator, "boards_table")
        await operator.resize(*SIZES["wide"])
        await operator.press("down")
        assert " daily, season 7 waits for folds: enter chooses" in operator.screen_text
        await operator.press("down")
        assert " new-cup, 42.5 % filled: enter chooses" in operator.screen_text
        # Read again while it is shown; the cursor stays on its board.
        peer.boards["another"] = PeerBoard("another", "Another", [PeerSeason(1, [])])
        peer.boards["new-cup"].state = "open"
        await operator.pass_time(2.2)
        assert "│ Another " in operator.screen_text
        assert " new-cup, 42.5 % filled: enter chooses" in operator.screen_text
        # More wait than were looked at: what is told of a board is the least that it may be.
        peer.pending = 5_000
        await operator.pass_time(4.2)
        assert " 3+  0.4 s " in operator.screen_text
        # A table that cannot be read again stays, and says why.
        peer.refuse(503, "database_unavailable", "The database is away.", "/api/boards")
        await operator.pass_time(2.2)
        assert "! database_unavailable: The database is away." in operator.screen_text
        assert "│ Another " in operator.screen_text
        assert " new-cup, 42.5 % filled: enter chooses" in operator.screen_text
        await operator.type("zzz")
        assert "no board matches “zzz”" in operator.screen_text
        await operator.press("ctrl+u")
        peer.come_back()
        await operator.pass_time(2.2)
        assert "database_unavailable" not in operator.screen_text


async def test_the_key_of_the_keys_lists_those_of_the_table_and_filters_nothing() -> None:
    async with watch_live(drive_laps()) as operator:
        for path in (["b"], ["b", *"laps", "enter"], ["slash"]):
            await operator.press(*path, "question_mark")
            keys = operator.read("#keys")
            assert "Down" in keys
            assert "Everywhere" not in keys
            await operator.press("escape")
            assert operator.console.screen.query_one(Input).value == ""
            await operator.press("escape", "escape", "escape")
        # Behind a letter it is one more, as in a name.
        await operator.press("b", *"la", "question_mark")
        assert operator.console.screen.query_one(Input).value == "la?"
        await operator.press("escape", "W", "question_mark")
        assert "Next route" in operator.read("#keys")


async def test_lists_that_are_refused_say_why() -> None:
    async with watch_live(drive_laps()) as operator:
        operator.peer.refuse(503, "database_unavailable", "The database is away.", "/seasons")
        await choose_board(operator, "laps")
        assert "! database_unavailable: The database is away." in operator.screen_text
        assert "nothing to choose from" in operator.screen_text
        await operator.press("escape", "escape")
        operator.peer.refuse(403, "role_insufficient", "Too low.", "/api/boards")
        await operator.press("b")
        assert "! role_insufficient: Too low" in operator.screen_text


async def test_live_shows_a_board_in_its_own_order_and_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with watch_live(drive_laps()) as operator:
        await operator.press("down", "down", "f")
        await choose_board(operator, "laps")
        assert "/api/boards/weekly-laps/stream?limit=100" in operator.peer.requests
        assert find_board(operator).followed is None
        await operator.pass_time(6.0)
        set_lap(operator, 1, 93_044)
        await operator.pass_time(0.8)
        await check_snapshots(operator, "live_board")
        await operator.resize(*SIZES["wide"])
        await operator.press("y")
        assert operator.console.clipboard == "1\t1\tada\t1:33.044\tweekly-laps, season 7"
        await operator.press("F", "a", "enter")
        assert "3 of the 4 listed of Weekly laps, season 7 match “a”" in operator.notice
        for key in ("2", "3", "4"):
            await operator.press("escape", key)
            assert "board Weekly laps, season 7 " in operator.read("#status")
        await operator.press("1", "e")
        name = operator.read_field("Prompt Input")
        assert name.startswith("leaderboard-live-weekly-laps-season-7-20261123-12000")
        await operator.press("ctrl+u")
        await operator.type("laps.csv")
        await operator.press("enter")
        await wait_until(lambda: any("written to" in toast for toast in operator.toasts))
        await choose_board(operator, "global")
        await operator.pass_time()
        assert "9,400" in operator.screen_text
        assert "board global │" in operator.read("#status")
    with (tmp_path / "laps.csv").open() as file:
        first = next(csv.DictReader(file))
    assert (first["board"], first["season"]) == ("weekly-laps", "7")
    assert (first["score"], first["score_text"]) == ("93044", "1:33.044")


async def test_a_closed_season_is_final_and_seldom_read() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps", "6")
        await check_snapshots(operator, "live_final")
        await operator.resize(*SIZES["wide"])
        page = f"{PAGE}&season=6"
        assert count_requests(operator, page) == 1
        # Whatever lags, a result that is stored does not.
        operator.peer.away = {"worker"}
        await operator.pass_time(8.0)
        assert operator.notice.startswith(" ■ final place 1 of 4 players")
        assert count_requests(operator, page) == 1
        await operator.press("r")
        assert count_requests(operator, page) == 2
        await operator.pass_time(10.0)
        assert count_requests(operator, page) == 3
        await look_up(operator, "1")
        rank = "/api/boards/weekly-laps/rank/1?season=6"
        asked = count_requests(operator, rank)
        await operator.pass_time(8.0)
        assert count_requests(operator, rank) == asked
        await check_snapshots(operator, "player_final")
        operator.peer.go_away()
        await operator.pass_time(20.0)
        assert "✕ disconnected" in operator.notice
        operator.peer.come_back()
        await operator.pass_time(40.0)
        assert operator.notice.startswith(" ■ final")


async def test_what_only_postgresql_knows_may_be_late_without_a_disconnect() -> None:
    async with watch_live(drive_laps()) as operator:

        def hang(request: httpx.Request) -> httpx.Response | None:
            if request.url.path.endswith("/weekly-laps") or "season=6" in str(request.url):
                raise httpx.ReadTimeout("late", request=request)
            return None

        operator.peer.fail = hang
        await choose_board(operator, "laps")
        await operator.pass_time(6.0)
        assert operator.notice.startswith(" ● live place 1 of 4 players")
        await choose_board(operator, "laps", "6")
        await operator.pass_time(3.0)
        assert operator.notice.startswith(" ! error timeout: no answer within 5 s. Asked again")
        assert "● connected" in operator.read("#status")
        operator.peer.come_back()
        await operator.pass_time(2.0)
        assert operator.notice.startswith(" ■ final")


async def test_a_player_is_shown_on_the_board_that_is_chosen() -> None:
    async with watch_live(drive_laps()) as operator:
        await look_up(operator, "3")
        assert "701 points to pass #1 ada" in operator.screen_text
        await choose_board(operator, "laps")
        await operator.pass_time(2.2)
        set_lap(operator, 3, 93_999)
        set_lap(operator, 1, 93_500)
        await operator.pass_time(2.2)
        await check_snapshots(operator, "player_board")
        await operator.resize(*SIZES["wide"])
        await operator.press("y")
        assert operator.console.clipboard == "2\t3\tedsger\t1:33.999\tweekly-laps, season 7"
        await operator.press("c", "2", "enter")
        await operator.pass_time()
        assert " edsger is 0:00.001 and 1 rank ahead of grace" in operator.screen_text
        screen = operator.console.screen
        assert isinstance(screen, ConsoleScreen)
        assert {row["board"] for row in screen.list_rows()} == {"weekly-laps"}
        await choose_board(operator, "old")
        await operator.pass_time()
        assert "No sessions yet: this player has not played." in operator.notice
        operator.peer.add_score(3, 5)
        await operator.pass_time(2.2)
        assert "No score of this player counts in Old [red]cup[/x], season 1." in operator.notice


async def test_who_was_first_with_a_score_is_passed_by_the_least_there_is() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        await look_up(operator, "3")
        assert "0:00.001 to pass #1 grace" in operator.screen_text


async def test_boards_that_are_filled_archived_or_gone_say_so() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "new-cup")
        filling = " … loading new-cup is being filled from the ledger"
        asked = count_requests(operator, "/api/ops/status")
        await operator.pass_time(12.0)
        assert operator.notice.startswith(filling)
        assert "● connected" in operator.read("#status")
        assert count_requests(operator, "/api/ops/status") >= asked + 5
        await look_up(operator, "1")
        assert operator.notice.startswith(filling)
        operator.peer.boards["new-cup"].state = "open"
        await operator.press("f1")
        await operator.pass_time(2.0)
        assert "No score counts yet in new-cup, season 1: b chooses" in operator.notice
        await choose_board(operator, "old")
        assert ", season 1, archived" in operator.read("#status")
        assert "12.50" in operator.screen_text
        del operator.peer.boards["old-cup"]
        operator.peer.close_streams()
        await operator.pass_time(12.0)
        assert operator.notice.startswith(" ! error board_not_found: There is no board")
        assert "● connected" in operator.read("#status")


async def test_the_next_season_is_shown_when_it_begins() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        laps = operator.peer.boards["weekly-laps"]
        laps.seasons[-1].state = "ending"
        laps.seasons.append(PeerSeason(8, [(5, "donald", 99_000), (1, "ada", 99_900)]))
        laps.title = "Laps of the week"
        operator.peer.publish()
        await operator.pass_time(6.0)
        assert "board Laps of the week, season 8 " in operator.read("#status")
        # Another season: nobody has moved, and nobody is new.
        assert "nobody has moved yet" in operator.read("#movers")
        assert "NEW" not in operator.screen_text.split("Marks")[0]
        await choose_board(operator, "laps", "7")
        assert "season 7 ending" in operator.read("#status")
        laps.seasons[-2].state = "closed"
        await operator.pass_time(2.0)
        assert "season 7 FINAL" in operator.read("#status")


async def test_a_board_chosen_while_paused_is_shown_and_then_held() -> None:
    async with watch_live(drive_laps()) as operator:
        await operator.press("space")
        await choose_board(operator, "laps")
        assert "1:34.000" in operator.screen_text
        set_lap(operator, 1, 90_000)
        await operator.pass_time(1.0)
        assert "1:30.000" not in operator.screen_text
        assert "updates held back" in operator.notice
        await operator.press("space")
        assert "1:30.000" in operator.screen_text
