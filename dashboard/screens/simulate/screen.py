"""Simulate: traffic that the operator starts, watches and steers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from dashboard.client.gateway import Gateway
from dashboard.client.rights import Right
from dashboard.client.submitter import ServiceSubmitter
from dashboard.keys.keymap import KeyNames
from dashboard.runs.desk import RunDesk
from dashboard.runs.source import LocalRuns
from dashboard.screens.console_screen import ConsoleScreen, Row
from dashboard.screens.simulate.form_view import Choice, RunFormView
from dashboard.screens.simulate.run_view import RunView
from dashboard.screens.simulate.submit_row import SubmitRow
from dashboard.simulation.reports.presentation import describe_comparison
from dashboard.simulation.reports.report import RunReport, RunState
from dashboard.simulation.reports.run_directory import Command, FoundRun
from dashboard.state.address import Address
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import DataState, Kind, judge_link
from dashboard.state.event_log import Event, Severity
from dashboard.text.names import clean_name
from dashboard.text.numbers import write_age, write_time
from dashboard.widgets.prompt import Prompt

_YES = "y"
_STOP = "stop"


class SimulateScreen(ConsoleScreen):
    """The form of a new run, or the run in progress; a run that is found is shown."""

    MODE = "simulate"
    KEY_OWNERS = (Choice,)
    FILTERS = False
    WRITES = dict.fromkeys(("start", "tell", "pause_run", "by_hand", "undo"), "traffic")

    DEFAULT_CSS = """
    SimulateScreen {
        & #simulation { height: 1fr; }
        & RunView { display: none; }
        & #planning { height: 1fr; overflow-y: auto; scrollbar-size-vertical: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "Start", id="simulate.start"),
        Binding("plus,equals_sign", "tell('faster')", "Faster", id="simulate.faster"),
        Binding("minus", "tell('slower')", "Slower", id="simulate.slower"),
        Binding("space", "pause_run", "Pause run", id="simulate.pause"),
        Binding("x", "tell('stop')", "Stop", id="simulate.stop"),
        Binding("n", "new_run", "New run", id="simulate.new"),
        Binding("l", "last_run", "Last run", show=False, id="simulate.last"),
        Binding("h", "by_hand", "By hand", show=False, id="simulate.hand"),
        Binding(
            "u", "undo", "Undo", tooltip="Undo the score by hand", show=False, id="simulate.undo"
        ),
        Binding("escape", "leave", "Leave the field", id="simulate.leave"),
    ]

    def __init__(self, state: ConsoleState, gateway: Gateway, desk: RunDesk | None = None) -> None:
        super().__init__(state)
        self._gateway = gateway
        self._desk = desk or RunDesk(LocalRuns(state.url), ServiceSubmitter(state.url), state.clock)
        self._offered: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        """The form and the run; one of them is shown."""
        with Vertical(id="simulation"):
            with Vertical(id="planning"):
                yield RunFormView(self.keys)
                yield SubmitRow(self._desk.submitter, self._gateway, self.keys)
            yield RunView()

    def judge(self) -> DataState:
        """Return the state of the run; say if the other screens are paused."""
        data_state = self._judge_desk()
        if self._asks_to_stop:
            how = f"{_YES} stops this run, {self.keys['prompt.cancel']} leaves it."
            data_state = replace(data_state, sentence=how, last="")
        if not self.state.paused:
            return data_state
        # The key that they share is the run's while one goes on.
        taken = self.keys.list_names("simulate.pause") if self._goes_on else []
        free = [key for key in self.keys.list_names("console.pause") if key not in taken]
        how = free[0] if free else f"{self.keys['console.pause']} on one of those"
        held = f"Other screens' figures are held: {how} lets them go on."
        return replace(data_state, last=f"{data_state.last} {held}")

    def _judge_desk(self) -> DataState:
        desk = self._desk
        if desk.starting:
            return DataState(Kind.LOADING, "The run is being started")
        if desk.run is not None:
            return _judge_run(desk.run, self.keys, self.state.clock.now())
        if desk.problem is not None:
            return DataState(Kind.ERROR, f"No run: {clean_name(desk.problem)}")
        trouble = judge_link(self.state)
        if trouble is not None:
            return trouble
        if desk.refusal is not None:
            nothing = "No run goes on, and none can be started here"
            return DataState(Kind.EMPTY, f"{nothing}: {desk.refusal}.")
        keys = self.keys
        ways = [
            f"{keys['simulate.start']} starts this one",
            f"{self.next_panel_key} goes to a field",
            f"{keys['simulate.hand']} is by hand",
        ]
        if desk.last is not None:
            ways.append(f"{keys['simulate.last']} shows the last run")
        board = "" if self.state.chosen.is_global else f" A run reads {self.state.short_title}."
        return DataState(Kind.EMPTY, f"No run goes on: {', '.join(ways)}.{board}")

    def show_body(self, data_state: DataState) -> None:
        """Show the run, or the form."""
        desk = self._desk
        desk.look()
        self.state.take_run(desk.run, desk.describe())
        watching = desk.starting or desk.run is not None
        offered = self._goes_on, self._run_paused, watching, desk.last is None
        if offered != self._offered:
            self._offered = offered
            self.refresh_bindings()
        if watching is not self.has_class("-watching"):
            # Of all parts only these two look otherwise, and no other need be styled again.
            self.set_class(watching, "-watching", update=False)
            self.query_one("#planning").display = not watching
            self.query_one(RunView).display = watching
            if watching:
                # The fields are hidden now, and must not take the keys of the run.
                self.set_focus(None)
        self.query_one("#planning").disabled = desk.refusal is not None
        if watching:
            run = desk.run
            died = run is not None and not (run.alive or run.snapshot.ended)
            silent = desk.silence_seconds is not None
            self.query_one(RunView).show(desk.report, died=died, silent=silent)

    def locate(self) -> Address | None:
        """Return the address of the run, or of the form."""
        run = self._desk.run
        return Address(self.MODE, run=run.identity.run_id if run else "")

    def visit(self, address: Address) -> None:
        """Show the run of an address, or the form; a run that goes on is shown in any case."""
        run = self._desk.find(address.run) if address.run else None
        if run is not None:
            self._desk.show(run)
        else:
            self._desk.dismiss()
        if address.run and run is None:
            self.notify(f"No run {address.run} has left a trace here.", markup=False)
        self.show()

    def list_rows(self) -> Iterable[Row]:
        """Return the run second by second."""
        report = self._desk.report
        for second in report.seconds if report else ():
            yield {
                "run": report.run_id if report else None,
                "board": report.board if report else None,
                "second": second.second,
                "started": second.started,
                "succeeded": second.succeeded,
                "failed": second.failed,
                "dropped": second.dropped,
                "pace": second.pace,
            }

    def name_board(self) -> str:
        """Return the board that the run reads, whichever is shown now."""
        report = self._desk.report
        return f"-{report.board}" if report and report.board else ""

    def describe_selection(self) -> str | None:
        """Return the results of the run on one line."""
        report = self._desk.report
        if report is None or report.total.latency is None:
            return None
        latency = report.total.latency
        return (
            f"{report.run_id}\t{report.board or ''}\t{report.state}\t"
            f"{report.total.answered_per_second}/s\t"
            f"p50 {latency.p50_ms} ms\tp99 {latency.p99_ms} ms\t{describe_comparison(report)}"
        )

    async def on_run_form_view_submitted(self) -> None:
        """Start the run of the form."""
        await self.run_action("start")

    def find_lack(self, action: str) -> str | None:
        """Of a run, say what can be done with it instead."""
        if self.applies(action):
            return None
        keys = self.keys
        stop, new, hand = keys["simulate.stop"], keys["simulate.new"], keys["simulate.hand"]
        goes_on = "The run is being started" if self._desk.starting else "A run goes on"
        watching = self.has_class("-watching")
        is_over = watching and not (self._goes_on or self._desk.starting)
        match action:
            case "start" if is_over:
                return f"This run has ended: {new} is for a new one"
            case "undo" if is_over:
                undo = keys["simulate.undo"]
                return f"What a run submitted stays: {hand}, then {undo} undoes a score by hand"
            case "tell" if is_over:
                return f"This run has ended: nothing of it goes on. {new} is for a new one"
            case "start" | "undo" | "by_hand" | "new_run" | "last_run" if watching:
                return f"{goes_on}: {stop} stops it" if self._goes_on else goes_on
            case "tell":
                return "No run goes on"
            case "new_run":
                return f"This is the form of a new run: {keys['simulate.start']} starts it"
            case "last_run":
                return "No run has left a trace here"
        return super().find_lack(action)

    def action_start(self) -> None:
        """Start the run of the form."""
        desk = self._desk
        try:
            chosen = self.state.chosen
            board = None if chosen.is_global else chosen.slug
            desk.start(self.query_one(RunFormView).form, board)
        except ValueError as error:
            self.notify(f"Not started: {error}", severity="warning", markup=False)
        else:
            self.app.clear_notifications()
        self.show()

    def action_tell(self, command: str) -> None:
        """Tell the run what to do."""
        if command == Command.STOP and self._desk.is_foreign:
            self._ask_to_stop()
        elif not self._desk.tell(Command(command)):
            self.notify("No run goes on.", markup=False)

    def _ask_to_stop(self) -> None:
        """Ask before a run is ended that somebody may be waiting for."""
        run = self._desk.run
        assert run is not None, "only a run that goes on is foreign"
        began = datetime.fromisoformat(run.identity.started_at)
        at = write_time(began, self.state.clock.now().tzinfo)
        question = f"{run.identity.run_id} was not started here, but at {at}. Stop it?"
        # They would lie over the question.
        self.app.clear_notifications()
        hint = f"{_YES} stops it, {self.keys['prompt.cancel']} leaves it"
        self.ask(_STOP, question, hint=hint)
        self.show()

    @property
    def _asks_to_stop(self) -> bool:
        return self.is_mounted and self.query_one(Prompt).purpose == _STOP

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """Beside the others, the key that answers."""
        actives = super().active_bindings
        if not self._asks_to_stop:
            return actives
        return {_YES: ActiveBinding(self, Binding(_YES, "", "Stop it"), enabled=True), **actives}

    def take_key(self, key: events.Key) -> bool:
        """Take the answer of one key; another sign is none, and must not hide what is asked."""
        if not self._asks_to_stop:
            return False
        is_yes = key.key.casefold() == _YES
        if is_yes:
            self.query_one(Prompt).close()
            self.set_focus(None)
            if not self._desk.tell(Command.STOP):
                self.notify("No run goes on.", markup=False)
            self.show()
        return is_yes or key.is_printable

    def on_prompt_answered(self, event: Prompt.Answered) -> None:
        """Leave a run of somebody else, which only the one key stops."""
        if event.purpose == _STOP:
            self.set_focus(None)
            self.notify("The run goes on.", markup=False)
            self.show()

    def on_prompt_cancelled(self) -> None:
        """Give the keys back to the screen."""
        self.set_focus(None)

    async def action_pause_run(self) -> None:
        """Pause the run or let it go on; without one, pause the console."""
        if self._desk.run is not None and self._desk.run.alive:
            self.action_tell(Command.PAUSE)
        else:
            await self.app.run_action("pause", self.app)

    def action_new_run(self) -> None:
        """Go back to the form after a run."""
        self._desk.dismiss()
        self.show()

    def action_last_run(self) -> None:
        """Look at the last run again."""
        self._desk.show_last()
        self.show()

    def on_submit_row_answered(self, event: SubmitRow.Answered) -> None:
        """Log the outcome of a score submitted by hand."""
        severity: Severity = "info" if event.accepted else "bad"
        self.state.log.add(Event(self.state.clock.now(), "By hand", severity, event.text))

    def action_by_hand(self) -> None:
        """Go to the fields for one score, from a run that has ended too."""
        self._desk.dismiss()
        self.show()
        self.query_one(SubmitRow).focus_first()

    def action_undo(self) -> None:
        """Take back the last score written by hand."""
        self.query_one(SubmitRow).undo()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done now; the keys of fields write into them."""
        if action == "leave":
            return isinstance(self.focused, Input)
        return self.applies(action)

    def applies(self, action: str) -> bool:
        """Offer what can be done with the run, or with the form, that is shown."""
        watching = self.has_class("-watching")
        match action:
            case "tell":
                return self._goes_on
            case "start" | "undo":
                return not watching
            case "by_hand":
                return not (self._goes_on or self._desk.starting)
            case "new_run":
                return watching and not self._goes_on
            case "last_run":
                return not watching and self._desk.last is not None
        return super().applies(action)

    def find_right(self, action: str) -> Right | None:
        """Without a run that goes on, pausing is of the figures alone."""
        is_of_figures = action == "pause_run" and not self._goes_on
        return None if is_of_figures else super().find_right(action)

    def adapt_binding(self, binding: Binding) -> Binding:
        """Distinguish pausing the run from pausing the console."""
        if binding.action == "pause_run" and self._goes_on:
            return replace(binding, description="Resume run") if self._run_paused else binding
        if binding.action in {"pause_run", "pause"}:
            word = "Resume figures" if self.state.paused else "Pause figures"
            # One of them is enough, and while a run goes on only space stands for the run.
            shown = binding.action == "pause_run" or (self._goes_on and self.state.paused)
            return replace(binding, description=word, show=shown)
        return super().adapt_binding(binding)

    @property
    def _run_paused(self) -> bool:
        report = self._desk.report
        return report is not None and report.state is RunState.PAUSED

    @property
    def _goes_on(self) -> bool:
        return self._desk.run is not None and self._desk.run.alive

    def action_leave(self) -> None:
        """Give the keys back to the screen."""
        self.set_focus(None)


def _judge_run(run: FoundRun, keys: KeyNames, now: datetime) -> DataState:
    snapshot = run.snapshot
    report = snapshot.report
    if not run.alive and not snapshot.ended:
        died = "The run's process died; these are its last figures."
        return DataState(Kind.ERROR, f"{died} {keys['simulate.new']} for a new run.")
    if snapshot.problem is not None:
        back = f" ({keys['simulate.new']}: back to the form)"
        return DataState(Kind.ERROR, clean_name(snapshot.problem), back)
    if report is None:
        return DataState(Kind.LOADING, f"Finding players: {snapshot.players_found:,} up to now")
    silence = run.measure_silence(now)
    if silence is not None:
        at = f"as of {write_time(run.written_at, now.tzinfo)}, {write_age(silence)} ago"
        why = f"its process {run.identity.pid} hangs, or its disk is full"
        return DataState(Kind.STALE, f"{at}: the run writes no figures, because {why}")
    return _judge_report(report, keys, ended=snapshot.ended)


def _judge_report(report: RunReport, keys: KeyNames, *, ended: bool) -> DataState:
    if ended:
        new = f"{keys['simulate.new']} for a new one, {keys['simulate.hand']} for a score by hand"
        kind, what = _judge_end(report)
        return DataState(kind, f"The run has ended: {what}.", f" {new}.")
    pause, stop = keys["simulate.pause"], keys["simulate.stop"]
    match report.state:
        case RunState.PAUSED:
            return DataState(
                Kind.PAUSED, f"The run is paused: {pause} lets it go on, {stop} stops it."
            )
        case RunState.RUNNING:
            rate = f"{keys['simulate.faster']} and {keys['simulate.slower']}"
            return DataState(
                Kind.LIVE, f"{rate} change the rate by a tenth, {pause} pauses, {stop} stops."
            )
        case RunState.DRAINING | RunState.RESUBMITTING:
            return DataState(Kind.LIVE, "All is sent; the last answers are awaited.")
        case _:
            return DataState(Kind.LIVE, "All is answered; the ledger is being compared.")


def _judge_end(report: RunReport) -> tuple[Kind, str]:
    """Return what is to be thought of a run that has ended, and what came of it."""
    total, what = report.total, describe_comparison(report)
    has_failed = 2 * total.failed > total.started
    if has_failed:
        what = f"{total.failed:,} of {total.started:,} requests failed; {what}"
    if report.ledger is not None and report.ledger.is_wrong:
        return Kind.ALARM, what
    return Kind.WARNING if has_failed or report.ledger is None else Kind.LIVE, what
