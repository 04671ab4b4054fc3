"""How old what is shown is said to be, above all while it is held."""

from dashboard.client.gateway import BoardSeason
from dashboard.state.address import Address
from tests.support.console.laps import choose_board, drive_laps
from tests.support.console.operating import Operator, look_up, watch_live


async def wait_while_scores_come_in(operator: Operator, seconds: float) -> None:
    for _ in range(round(seconds / 30)):
        operator.peer.add_score(5, 400)
        await operator.pass_time(30, step=5)


async def test_what_is_held_grows_old_on_every_screen() -> None:
    async with watch_live() as operator:
        await look_up(operator, "5")
        await operator.press("p")
        await wait_while_scores_come_in(operator, 600)
        for key in ("f2", "f1", "f4"):
            await operator.press(key)
            assert operator.notice.startswith(" ‖ paused Paused since 12:00:0"), key
            assert " updates held back. " in operator.notice, key
            assert "│ data 10 min old │" in operator.read("#status"), key
        operator.peer.go_away()
        await operator.pass_time(3.0)
        for key in ("f4", "f2", "f1"):
            await operator.press(key)
            assert "; shown as of 12:00:0" in operator.notice, key
            assert operator.notice.endswith(", 10 min ago"), key
        assert "5 " in operator.screen_text
        operator.peer.come_back()
        await operator.pass_time(20.0)
        await operator.press("p")
        assert "13,000" in operator.screen_text
        assert " s old │" in operator.read("#status")


async def test_what_is_first_shown_in_a_pause_is_as_old_as_that() -> None:
    async with watch_live(drive_laps()) as operator:
        await operator.press("p")
        await wait_while_scores_come_in(operator, 300)
        await choose_board(operator, "laps")
        await operator.pass_time(12.0)
        assert "│ data 12 s old │" in operator.read("#status")
        await operator.press("f4")
        assert "│ data 5 min old │" in operator.read("#status")
        await operator.pass_time(10.0)
        await look_up(operator, "3")
        assert "1:34.000" in operator.screen_text
        await operator.pass_time(4.0)
        assert "│ data 4 s old │" in operator.read("#status")


async def test_the_age_of_a_closed_season_is_that_of_its_last_reading() -> None:
    async with watch_live(drive_laps()) as operator:
        await choose_board(operator, "laps", "6")
        await operator.pass_time(6.0)
        assert "│ data 6 s old │" in operator.read("#status")
        await operator.press("r")
        assert "│ data 0.2 s old │" in operator.read("#status")


async def test_the_age_of_a_player_is_that_of_the_last_answer() -> None:
    async with watch_live() as operator:
        await look_up(operator, "5")
        operator.peer.refuse(503, "standings_unavailable", "Ask again in a second.", "/rank/")
        await operator.pass_time(20.0)
        assert "│ data 20 s old │" in operator.read("#status")
        await operator.press("f1")
        assert "│ data 20 s old │" not in operator.read("#status")


async def test_a_closed_season_that_an_address_names_is_current_whatever_lags() -> None:
    peer = drive_laps()
    peer.away = {"worker"}
    async with watch_live(peer) as operator:
        await operator.console.go(Address("live", board=BoardSeason("weekly-laps", 6)))
        await operator.pass_time(2.0)
        assert operator.notice.startswith(" ■ final")
        assert "│ data 2 s old │" in operator.read("#status")
