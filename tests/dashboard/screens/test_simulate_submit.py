"""Simulate: one score by hand, and who may not submit any."""

from textual.widgets import Input

from dashboard.client.submitter import SingleSubmit, SubmitAnswer
from dashboard.screens.simulate.submit_row import SubmitRow
from dashboard.simulation.reports.run_directory import Command
from tests.support.console.simulating import Simulating, open_simulate


async def test_a_read_only_console_submits_nothing_by_key_click_or_palette() -> None:
    async with open_simulate(read_only=True) as simulating:
        operator = simulating.operator
        await operator.press("h")
        assert operator.toasts[-1] == "This console only looks."
        await operator.click(SubmitRow, (12, 1))
        await operator.press("tab", "tab", "tab")
        await operator.type("55")
        await operator.press("enter")
        screen = operator.console.screen
        for name in ("user", "score"):
            screen.query_one(f"#submit-{name}", Input).value = "5"
        await screen.query_one("#submit-user", Input).action_submit()
        await operator.pass_time()
        wanted = {"Start", "Pause figures", "By hand"}
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


async def submit(simulating: Simulating, user: str, score: str, mode: str = "") -> None:
    screen = simulating.operator.console.screen
    for name, value in (("user", user), ("score", score), ("mode", mode)):
        screen.query_one(f"#submit-{name}", Input).value = value
    await simulating.operator.press("h", "enter")


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
        assert len(keys) == 4
        assert len(set(keys[:3])) == 1
        assert keys[3] != keys[0]


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
        await simulating.operator.press("enter")
        assert [score.score for score, _ in simulating.submitter.submitted] == [1, 2]


IMPOSSIBLE_SCORES = (
    ("ada", "1", "", "whole numbers"),
    ("5", "", "", "whole numbers"),
    ("5", "1,5", "", "whole numbers"),
    ("0", "1", "", "a user id is from 1"),
    ("5", "2147483648", "", "a score is from -2,147,483,648"),
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
