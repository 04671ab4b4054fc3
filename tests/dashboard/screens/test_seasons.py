"""Seasons that end, and results that are made again, while they are shown."""

from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, look_up, watch_live
from tests.support.console.service_peer import ServicePeer

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
