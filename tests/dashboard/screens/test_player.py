import httpx

from dashboard.screens.player.pane import PlayerPane
from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.moderating import explain
from tests.support.console.operating import Operator, look_up, look_up_again, watch_live
from tests.support.console.service_peer import ServicePeer


async def test_typing_is_debounced() -> None:
    async with watch_live() as operator:
        await operator.press("2")
        for character in "donald":
            await operator.press(character)
        asked = [path for path in operator.peer.requests if path.startswith("/api/players?")]
        assert asked == []
        await operator.pass_time(0.4)
        asked = [path for path in operator.peer.requests if path.startswith("/api/players?")]
        assert asked == ["/api/players?username=donald"]


async def test_enter_looks_at_once_and_again_for_whom_was_not_found() -> None:
    async with watch_live() as operator:
        await operator.press("2", "7")
        await operator.press_together("8", "enter")
        assert "Not found: no player has the id or name “78”" in operator.notice
        operator.peer.unplayed[78] = "late"
        await operator.press("tab", "enter")
        assert "late  id 78" in operator.screen_text
        asked = len(operator.peer.requests)
        await operator.press("tab", "enter")
        assert "/api/players/78" not in operator.peer.requests[asked:]


async def test_digits_behind_a_look_up_in_the_field_are_the_next_one_and_no_screen() -> None:
    async with watch_live() as operator:
        await look_up(operator, "4")
        assert "barbara  id 4" in operator.screen_text
        assert "digits find another" in operator.notice
        assert "f1 Live" in operator.read("#tabs")
        await operator.press("1", "2")
        assert operator.read_field("PlayerScreen #search Input") == "12"
        await operator.press("backspace", "enter")
        assert "ada  id 1" in operator.screen_text
        await operator.press("f1")
        assert "Movers" in operator.screen_text
        # Any other key ends it.
        await look_up(operator, "2")
        await operator.press("escape", "1")
        assert "Movers" in operator.screen_text


async def test_keys_of_a_player_say_so_where_there_is_none() -> None:
    async with watch_live() as operator:
        await operator.press("2", "escape")
        for key in ("v", "t", "n", "D", "w"):
            await operator.press(key)
            assert operator.toasts[-1] == "No player is shown: / finds one."
        await operator.press("c")
        assert operator.toasts[-1] == "Only a player who has a rank can be compared."
        await operator.press("C")
        assert operator.toasts[-1] == "Only a season that is closed is corrected: b chooses one."
        await operator.press("F")
        assert operator.toasts[-1].startswith("Nothing is listed here that could be filtered")
        await operator.press("a")
        assert operator.toasts[-1] == "Nothing new is wrong."
        assert "Compare" not in operator.screen_text.splitlines()[-1]


async def test_the_key_of_the_finder_is_not_typed_into_the_field() -> None:
    async with watch_live() as operator:
        await operator.press("2", *"gra")
        await operator.press("slash", *"ada", "enter")
        assert operator.read_field("PlayerScreen #search Input") == "1"
        assert "ada  id 1" in operator.screen_text


async def test_points_to_pass_are_one_more_than_the_difference() -> None:
    async with watch_live() as operator:
        await look_up(operator, "5")
        assert "2,151 points to pass #4 barbara" in operator.screen_text
        await look_up_again(operator, "1")
        assert "first of all" in operator.screen_text


async def test_a_tie_is_passed_like_one_player() -> None:
    async with watch_live() as operator:
        await look_up(operator, "grace")
        assert "701 points to pass #1 ada" in operator.screen_text
        assert "=2" in operator.screen_text


async def test_not_found_no_sessions_and_an_error_are_three_things() -> None:
    async with watch_live() as operator:
        await look_up(operator, "4711")
        assert "Not found: no player has the id or name “4711”" in operator.notice
        await look_up_again(operator, "newcomer")
        assert "No sessions yet" in operator.notice
        assert "A rank comes with the first score." in operator.screen_text
        operator.peer.refuse(503, "database_unavailable", "The database is away.")
        await look_up_again(operator, "3")
        assert "! error database_unavailable: The database is away." in operator.notice
        operator.peer.come_back()
        await operator.pass_time(2.2)
        assert "edsger  id 3" in operator.screen_text


async def test_who_has_no_rank_is_told_why() -> None:
    async with watch_live() as operator:
        operator.peer.add_score(77, 900)
        await look_up(operator, "77")
        assert "No session of this player counts. Last sessions tells" in operator.notice
        assert "○ No score that counts" in operator.screen_text
        path = "/api/boards/global/explain/77"
        operator.peer.answers[path] = explain(state="banned", rank=None)
        await operator.pass_time(2.2)
        assert "This player is banned, and stands on no open board." in operator.notice
        assert "○ Banned" in operator.screen_text
        await operator.press("c", "1", "enter")
        assert "“77” is banned, and so has no rank" in operator.read("#comparison")
        operator.peer.answers[path] = explain(state="active", rank=None)
        await operator.pass_time(2.2)
        assert "No session of “77” counts here" in operator.read("#comparison")


async def test_an_answer_ends_an_error_also_while_paused() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        await operator.press("space")
        operator.peer.refuse(503, "standings_unavailable", "Ask again in a second.", "/rank")
        await operator.pass_time(2.2)
        assert "standings_unavailable" in operator.notice
        operator.peer.come_back()
        operator.peer.add_score(5, 1)
        await operator.pass_time(2.2)
        assert operator.notice.startswith(" ‖ paused")
        assert "5,000 points" in operator.screen_text


async def test_a_name_of_digits_is_found_when_no_id_is() -> None:
    async with watch_live() as operator:
        operator.peer.scores[8] = (9, "1234567", -35)
        await look_up(operator, "1234567")
        assert "1234567  id 9" in operator.screen_text


async def test_history_grows_while_watched_also_behind_another_screen() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        await operator.press("f1")
        operator.peer.add_score(5, 3_000)
        await operator.pass_time(4.0)
        await operator.press("2")
        pane = operator.console.screen.query_one("#first", PlayerPane)
        assert (pane.lookup.scores[0], pane.lookup.scores[-1]) == (5_000, 8_000)
        assert (pane.lookup.ranks[0], pane.lookup.ranks[-1]) == (5, 4)
        assert "+3,000 points, ▲1 rank while watched" in operator.screen_text


async def test_a_failing_read_keeps_what_was_known() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        operator.peer.refuse(503, "standings_unavailable", "Ask again in a second.", "/rank")
        await operator.pass_time(2.2)
        assert "standings_unavailable" in operator.notice
        assert "donald  id 5" in operator.screen_text
        assert "5,000 points" in operator.screen_text


async def test_two_players_are_compared_and_parted() -> None:
    async with watch_live() as operator:
        await look_up(operator, "donald")
        await operator.press("c")
        await operator.type("ada")
        await operator.press("enter")
        assert "ada is 4,400 points and 4 ranks ahead of donald" in operator.screen_text
        await operator.press("c")
        assert "ahead of" not in operator.screen_text


async def test_last_sessions_are_listed_newest_first() -> None:
    async with watch_live() as operator:
        operator.peer.add_score(5, 1_250)
        operator.peer.add_score(5, -70)
        operator.peer.sessions[5][0]["game_mode"] = "[@click=app.quit]x\x1b[2J"
        operator.peer.sessions[5][1]["submitted_at"] = "2026-10-01T12:00:00Z"
        await look_up(operator, "donald")
        lines = operator.screen_text.splitlines()
        (newest,) = (line for line in lines if "-70" in line)
        (oldest,) = (line for line in lines if "1,250" in line)
        assert "12:00:00" in newest
        assert "[@click=app.quit]x" in newest
        assert "2026-10-01" in oldest
        assert lines.index(newest) < lines.index(oldest)
        await look_up_again(operator, "ada")
        assert "none yet" in operator.screen_text


async def test_ranks_are_shown_while_the_ledger_is_away() -> None:
    async with watch_live() as operator:
        operator.peer.refuse(503, "database_unavailable", "The database is away.", "/sessions")
        await look_up(operator, "5")
        assert "5,000 points" in operator.screen_text
        assert "not to be had now" in operator.screen_text


async def test_a_player_amid_ties_is_not_called_first() -> None:
    async with watch_live() as operator:
        operator.peer.scores = [(number, f"p{number}", 3_800) for number in range(1, 30)]
        operator.peer.scores.append((40, "ahead", 1_000_000))
        await look_up(operator, "20")
        assert "996,201 points to pass #1 ahead" in operator.screen_text
        assert "=2" in operator.screen_text


async def test_scores_of_a_million_players_are_whole() -> None:
    async with watch_live() as operator:
        await look_up(operator, "5")

        def stand_far_down(request: httpx.Request) -> httpx.Response | None:
            if "/around/" not in request.url.path:
                return None
            line = {"user_id": 5, "username": "donald", "score": 3_800, "rank": 1_000_000}
            line["score_text"] = "3800"
            tied = line | {"user_id": 6, "username": "alan"}
            body = operator.peer.describe_top() | {"entries": [line, tied]}
            return httpx.Response(200, json=body)

        operator.peer.fail = stand_far_down
        await operator.pass_time(2.2)
        (line,) = (line for line in operator.screen_text.splitlines() if "alan" in line)
        assert "=1,000,000" in line
        assert " 3,800 " in line


async def test_blanks_around_a_name_count_only_where_there_is_such_a_name() -> None:
    async with watch_live() as operator:
        operator.peer.scores.append((10, " grace", 7))
        await look_up(operator, " donald ")
        assert "donald  id 5" in operator.screen_text
        await operator.press("tab", "ctrl+u")
        await operator.type(" grace")
        await operator.press("enter")
        assert "grace  id 10" in operator.screen_text
        await operator.press("tab", "ctrl+u")
        await operator.type("  ")
        await operator.press("enter")
        assert "no player has the id or name “(blank)”" in operator.notice
        asked = [path for path in operator.peer.requests if path.startswith("/api/players?")]
        assert asked[-1] == "/api/players?username=++"


async def watch_donald_gain(operator: Operator, looks: int) -> PlayerPane:
    """Let him gain 1,070 points after so many looks at 6,000, which began at 5,000."""
    await look_up(operator, "donald")
    pane = operator.console.screen.query_one("#first", PlayerPane)
    pane.lookup.scores.extend([6_000.0] * looks)
    operator.peer.add_score(5, 1_070)
    await operator.pass_time(2.2)
    return pane


async def test_a_chart_has_the_scale_of_what_it_draws() -> None:
    async with watch_live() as operator:
        pane = await watch_donald_gain(operator, 500)
        chart = operator.screen_text.split("Score while watched")[1]
        assert "6,070" in chart
        assert "6,000" in chart
        assert pane.lookup.scores[0] == 5_000
        assert "5,000" not in chart


async def test_what_was_gained_while_watched_outlives_the_chart() -> None:
    async with watch_live() as operator:
        await watch_donald_gain(operator, 600)
        assert "+1,070 points, ±0 ranks while watched" in operator.screen_text


async def test_scores_of_neighbours_are_whole_also_beside_a_scroll_bar() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player-{number:02}", 950) for number in range(1, 30)]
    async with watch_live(peer, (80, 24)) as operator:
        await look_up(operator, "15")
        # What is wrong takes lines from the neighbours.
        peer.away, peer.stale = {"redis"}, True
        await operator.pass_time(6.0)
        neighbours = operator.console.screen.query_one("#first .neighbours", Panel)
        assert neighbours.show_vertical_scrollbar
        assert operator.screen_text.count(" 950 ") >= 10
