"""Simulate: one score by hand, and who may not submit any."""

from textual.widgets import Input

from dashboard.client.submitter import SingleSubmit, SubmitAnswer
from dashboard.screens.simulate.submit_row import SubmitRow
from dashboard.simulation.reports.run_directory import Command
from tests.support.console.simulating import ACCEPTED, REASON, Simulating, open_simulate


async def test_a_read_only_console_submits_nothing_by_key_click_or_palette() -> None:
    async with open_simulate(read_only=True) as simulating:
        operator = simulating.operator
        for key in ("h", "u"):
            await operator.press(key)
            assert operator.toasts[-1] == f"Refused: {REASON}."
            operator.console.clear_notifications()
        await operator.click(SubmitRow, (12, 1))
        await operator.press("tab", "tab", "tab")
        await operator.type("55")
        await operator.press("enter")
        screen = operator.console.screen
        for name in ("user", "score"):
            screen.query_one(f"#submit-{name}", Input).value = "5"
        await screen.query_one("#submit-user", Input).action_submit()
        await operator.pass_time()
        refused = ("Start", "By hand", "Undo the score by hand")
        wanted = {"Pause figures", *(f"{what} (refused: read-only)" for what in refused)}
        commands = operator.console.get_system_commands(screen)
        chosen = [command for command in commands if command.title in wanted]
        assert wanted == {command.title for command in chosen}
        for command in chosen:
            await command.callback()
            await operator.pass_time()
        for order in Command:
            await operator.console.run_action(f"tell('{order}')", screen)
        assert simulating.submitter.submitted == []
        assert simulating.runs.started == []
        assert simulating.runs.told == []
        assert operator.peer.revoked == {}


async def submit(simulating: Simulating, user: str, score: str, mode: str = "") -> None:
    """Fill the fields; the first enter shows the player, the second one writes the score."""
    if user.isdecimal():
        simulating.operator.peer.unplayed.setdefault(int(user), "newcomer")
    screen = simulating.operator.console.screen
    for name, value in (("user", user), ("score", score), ("mode", mode)):
        screen.query_one(f"#submit-{name}", Input).value = value
    await simulating.operator.press("h", "enter", "enter")


async def test_a_score_by_hand_is_submitted_and_its_answer_shown() -> None:
    async with open_simulate() as simulating:
        await submit(simulating, "4711", "-5", "duo")
        [(score, key)] = simulating.submitter.submitted
        assert score == SingleSubmit(4_711, -5, "duo")
        assert key.startswith("hand-")
        answer = simulating.operator.read("#submit-answer")
        assert answer == "✓ player 4711, -5, duo: session 1001 in 4.0 ms"


async def test_a_score_without_an_answer_is_sent_again_under_the_same_key() -> None:
    async with open_simulate() as simulating:
        simulating.submitter.answer = SubmitAnswer(
            accepted=False, known=False, text="no answer [/x]"
        )
        await submit(simulating, "5", "1")
        assert "same key" in simulating.operator.read("#submit-answer")
        await simulating.operator.press("enter")
        simulating.submitter.answer = SubmitAnswer(
            accepted=True, known=True, text="session 7 in 1.0 ms"
        )
        await simulating.operator.press("enter", "enter")
        keys = [key for _, key in simulating.submitter.submitted]
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert "written already, once" in simulating.operator.read("#submit-answer")


async def test_the_player_is_shown_before_anything_is_written_and_then_it_is_written_once() -> None:
    async with open_simulate() as simulating:
        operator, submitted = simulating.operator, simulating.submitter.submitted
        operator.peer.unplayed[4_711] = "[/x] hopper"
        await operator.press("h")
        await operator.type("4711")
        await operator.press("tab")
        await operator.type("500")
        await operator.press("enter")
        assert submitted == []
        shown = operator.read("#submit-answer")
        assert shown == "? player 4711 is [/x] hopper: Enter writes +500, solo"
        await operator.press("enter", "enter", "enter")
        assert [score for score, _ in submitted] == [SingleSubmit(4_711, 500, "solo")]
        # Typed again it is another score, and its player is shown again.
        await operator.press("backspace", "0", "enter")
        assert len(submitted) == 1
        await operator.press("enter")
        assert len({key for _, key in submitted}) == 2


async def test_a_score_of_nobody_is_not_written() -> None:
    async with open_simulate() as simulating:
        screen = simulating.operator.console.screen
        screen.query_one("#submit-user", Input).value = "4711"
        screen.query_one("#submit-score", Input).value = "5"
        await simulating.operator.press("h", "enter", "enter")
        assert simulating.submitter.submitted == []
        answer = simulating.operator.read("#submit-answer")
        assert answer == "✕ nothing written: user_not_found: User not found"


async def test_the_last_score_by_hand_is_undone_once() -> None:
    async with open_simulate() as simulating:
        operator, submitter = simulating.operator, simulating.submitter
        await operator.press("u")
        assert operator.read("#submit-answer") == "· nothing written by hand here is left to undo"
        await submit(simulating, "4711", "500")
        await operator.press("escape", "u")
        undone = "✓ player 4711, +500, solo: session 1001 undone: it is revoked"
        assert operator.read("#submit-answer") == undone
        reason = "undone: it was written by hand in the console"
        assert operator.peer.revoked == {1_001: reason}
        requests = len(operator.peer.requests)
        await operator.press("u")
        assert "left to undo" in operator.read("#submit-answer")
        assert not [path for path in operator.peer.requests[requests:] if "/sessions" in path]
        await operator.press("4")
        assert "By hand    player 4711, +500, solo: session 1001 undone" in operator.read("#events")
        # What was taken back can be written again, after its player was shown again.
        await operator.press("3", "h", "enter")
        assert "Enter writes +500" in operator.read("#submit-answer")
        submitter.answer = ACCEPTED._replace(session_id=1_002)
        await operator.press("enter", "escape", "u")
        assert set(operator.peer.revoked) == {1_001, 1_002}
        assert len({key for _, key in submitter.submitted}) == 2


async def test_what_was_refused_or_not_answered_is_not_undone() -> None:
    async with open_simulate() as simulating:
        for known, text in ((True, "403: This player is banned."), (False, "no answer")):
            simulating.submitter.answer = SubmitAnswer(accepted=False, known=known, text=text)
            await submit(simulating, "5", "1")
            await simulating.operator.press("escape", "u")
            assert "left to undo" in simulating.operator.read("#submit-answer")
        assert simulating.operator.peer.revoked == {}


async def test_an_undoing_that_fails_can_be_tried_again() -> None:
    async with open_simulate() as simulating:
        operator, peer = simulating.operator, simulating.operator.peer
        await submit(simulating, "5", "1")
        peer.refuse(403, "role_insufficient", "The key's role is too low.", "/api/sessions/")
        await operator.press("escape", "u")
        answer = operator.read("#submit-answer")
        assert "session 1001 not undone: role_insufficient: The key's role is too low" in answer
        # What is refused the second time may have been undone the first.
        for status, code in ((503, "database_unavailable"), (404, "session_not_found")):
            peer.refuse(status, code, "It failed.", "/api/sessions/")
            await operator.press("u")
            assert operator.read("#submit-answer").endswith("It failed. u undoes it again."), code
        peer.go_away()
        await operator.press("u")
        assert operator.read("#submit-answer").endswith("nothing answers. u undoes it again.")
        peer.come_back()
        await operator.press("u")
        assert set(peer.revoked) == {1_001}


async def test_a_score_waits_for_the_answer_of_the_one_before() -> None:
    async with open_simulate() as simulating:
        simulating.submitter.answering.clear()
        await submit(simulating, "5", "1")
        simulating.operator.console.screen.query_one("#submit-score", Input).value = "2"
        await simulating.operator.press("enter")
        assert [score.score for score, _ in simulating.submitter.submitted] == [1]
        assert "asking" in simulating.operator.read("#submit-answer")
        simulating.submitter.answering.set()
        await simulating.look()
        assert "player 5, +1, solo: session 1001" in simulating.operator.read("#submit-answer")
        await simulating.operator.press("enter", "enter")
        assert [score.score for score, _ in simulating.submitter.submitted] == [1, 2]


IMPOSSIBLE_SCORES = (
    ("ada", "1", "", "whole numbers"),
    ("5", "", "", "whole numbers"),
    ("5", "1,5", "", "whole numbers"),
    ("0", "1", "", "a user id is from 1"),
    ("5", "9007199254740992", "", "a score is from -9,007,199,254,740,991"),
    ("5", "1", "m" * 51, "at most 50 characters"),
)


async def test_a_score_that_cannot_be_is_not_submitted() -> None:
    async with open_simulate() as simulating:
        for user, score, mode, words in IMPOSSIBLE_SCORES:
            await submit(simulating, user, score, mode)
            assert simulating.submitter.submitted == [], (user, score, mode)
            assert words in simulating.operator.read("#submit-answer"), (user, score, mode)
            # What was said goes with the focus: the next answer is about the next score.
            await simulating.operator.press("escape")
            assert simulating.operator.read("#submit-answer") == "", (user, score, mode)
