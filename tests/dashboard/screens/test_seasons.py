"""Seasons that end, and results that are made again, while they are shown."""

import re
from datetime import timedelta

from dashboard.screens.player.pane import PlayerPane
from tests.support.console.frozen_clock import START
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, look_up, watch_live
from tests.support.console.service_peer import PeerSeason, ServicePeer, make_mover, make_movers

CORRECT = "/api/boards/weekly-laps/seasons/6/correct"


def disqualify(peer: ServicePeer, user_id: int) -> None:
    """Take a player out of the season that is closed."""
    season = peer.boards["weekly-laps"].seasons[0]
    season.scores = [row for row in season.scores if row[0] != user_id]


def rename(peer: ServicePeer, user_id: int, name: str) -> None:
    """Give a player another name everywhere."""

    def change(scores: list[tuple[int, str, int]]) -> list[tuple[int, str, int]]:
        return [(one, name if one == user_id else was, score) for one, was, score in scores]

    peer.scores = change(peer.scores)
    for board in peer.boards.values():
        for season in board.seasons:
            season.scores = change(season.scores)


def begin_season(peer: ServicePeer) -> None:
    """End the current season of the laps, and begin the next with other laps."""
    laps = peer.boards["weekly-laps"]
    laps.seasons[-1].state = "closed"
    scores = [(5, "donald", 99_500), (2, "grace", 120_000), (3, "edsger", 130_000)]
    laps.seasons.append(PeerSeason(8, scores, "open", START, START + timedelta(days=7)))


async def confirm(operator: Operator, phrase: str) -> None:
    for text in ("a reason", phrase):
        await operator.type(text)
        await operator.press("enter")


async def test_a_correction_made_here_is_shown_at_once() -> None:
    peer = drive_laps()
    peer.answers[CORRECT] = {"revision": 2, "changes": 4, "entries": []}
    async with watch_live(peer) as operator:
        await choose_board(operator, "laps", "6")
        await look_up(operator, "1")
        assert "behind #1 barbara" in operator.screen_text
        await operator.press("C")
        await operator.pass_time()
        disqualify(peer, 4)
        await confirm(operator, "correct weekly-laps 6")
        assert operator.toasts[-1] == "season 6 of weekly-laps is corrected: revision 2"
        assert "barbara" not in operator.screen_text
        assert "of 3 players of Weekly laps, season 6 FINAL" in operator.screen_text
        await operator.press("f1")
        assert "barbara" not in operator.screen_text
        assert "place 1 of 3 players" in operator.notice


async def test_a_correction_made_elsewhere_is_shown_soon_or_when_it_is_asked_for() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps", "6")
        await look_up(operator, "1")
        await operator.press("c", "9", "enter")
        disqualify(operator.peer, 4)
        await operator.press("r")
        assert operator.toasts[-1] == "Asked for the board."
        assert operator.screen_text.count("of 3 players") == 2
        disqualify(operator.peer, 2)
        await operator.pass_time(10.2)
        assert operator.screen_text.count("of 2 players") == 2
        await operator.press("f1")
        assert "place 1 of 2 players" in operator.notice


async def test_a_name_that_is_forgotten_goes_from_a_closed_season_too() -> None:
    peer = drive_laps()
    async with watch_live(peer) as operator:
        await choose_board(operator, "laps", "6")
        await look_up(operator, "4")
        assert "barbara  id 4" in operator.read(".head")
        # By another moderator.
        rename(peer, 4, "hopper")
        await operator.pass_time(10.2)
        assert "hopper  id 4" in operator.read(".head")
        await operator.press("D")
        await operator.type("keep")
        await operator.press("enter")
        await operator.pass_time()
        rename(peer, 4, "deleted-4")
        await confirm(operator, "delete 4")
        assert operator.toasts[-1].startswith("player 4 is now forgotten for good")
        assert "deleted-4  id 4" in operator.read(".head")
        await operator.press("f1")
        assert "deleted-4" in operator.screen_text
        assert "hopper" not in operator.screen_text


async def test_a_player_begins_anew_with_the_season() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        await look_up(operator, "2")
        await operator.pass_time(4.0)
        begin_season(operator.peer)
        await operator.pass_time(4.2)
        assert "of 3 players of Weekly laps, season 8" in operator.screen_text
        assert "score ±0, ±0 ranks while watched" in operator.screen_text
        assert "▲" not in operator.screen_text.split("Last sessions")[0]
        pane = operator.console.screen.query_one("#first", PlayerPane)
        assert set(pane.lookup.scores) == {120_000}
        assert set(pane.lookup.ranks) == {2}
        await operator.press("f4")
        ended = "Board      Weekly laps: season 7 ended, season 8 is shown"
        assert operator.read("#events").count(ended) == 1


async def test_players_of_two_seasons_are_not_compared() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        await look_up(operator, "2")
        await operator.pass_time(1.0)
        await operator.press("c", "3", "enter")
        await operator.pass_time(2.0)
        said = [operator.read("#comparison")]
        begin_season(operator.peer)
        for _ in range(12):
            await operator.pass_time()
            if operator.read("#comparison") != said[-1]:
                said.append(operator.read("#comparison"))
        assert said == [
            " grace is 0:00.000 and 1 rank ahead of edsger",
            " The season has changed: both are asked for again.",
            " grace is 0:10.000 and 1 rank ahead of edsger",
        ]


async def test_the_end_of_a_season_is_noted_when_it_comes_also_while_paused() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        await operator.press("space")
        begin_season(operator.peer)
        laps = operator.peer.boards["weekly-laps"]
        laps.seasons[-2].state = "ending"
        await operator.pass_time(60.0, step=1.0)
        await choose_board(operator, "laps", "7")
        laps.seasons[-2].state = "closed"
        await operator.pass_time(60.0, step=1.0)
        await operator.press("space", "4")
        closed, ended, *_ = operator.read("#events").splitlines()
        assert re.match(r"12:01:0\d · Board      Weekly laps: season 7 is closed", closed)
        assert re.match(r"12:00:0\d · Board      Weekly laps: season 7 ended, season 8", ended)


async def test_who_moved_in_the_last_season_is_nobody_in_the_next() -> None:
    peer = drive_laps()
    laps = peer.boards["weekly-laps"]
    laps.seasons[-1].scores = [(number, f"player {number}", number) for number in range(1, 1_201)]
    peer.movers = make_movers("11:59:30", make_mover(1_150, 40))
    async with watch_live(peer) as operator:
        await choose_board(operator, "laps")
        await operator.pass_time(2.2)
        assert "▲40" in operator.read("#movers")
        rows = [(number, f"player {number}", number) for number in range(1, 1_201)]
        laps.seasons.append(PeerSeason(8, rows, "open"))
        peer.movers = make_movers("12:00:00")
        await operator.pass_time(2.2)
        assert "season 8 " in operator.read("#status")
        assert "▲40" not in operator.read("#movers")


async def test_a_board_that_is_archived_while_it_is_shown_is_not_live() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps")
        await look_up(operator, "3")
        assert "0:00.001 to pass #1 grace" in operator.screen_text
        operator.peer.boards["weekly-laps"].state = "archived"
        await operator.pass_time(6.0)
        archived = "archived: nothing counts here until it is unarchived"
        assert operator.notice.startswith(f" ■ final {archived}; c compares")
        assert "0:00.000 behind #1 grace" in operator.screen_text
        await operator.press("f1")
        assert operator.notice == f" ■ final place 1 of 4 players, all listed, {archived}"
        await operator.resize(80, 24)
        assert operator.notice == " ■ final place 1 of 4, all listed, archived: nothing counts here"
        operator.peer.boards["weekly-laps"].state = "open"
        await operator.pass_time(6.0)
        assert operator.notice.startswith(" ● live place 1 of 4")
