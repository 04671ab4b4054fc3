"""The run that the operator watches: found, started, commanded. No user interface."""

from typing import Final

from dashboard.client.rights import Rights
from dashboard.client.submitter import ServiceSubmitter
from dashboard.clock import Clock
from dashboard.runs.form import RunForm
from dashboard.runs.source import LocalRuns
from dashboard.simulation.errors import RunEnded
from dashboard.simulation.reports.report import RunReport
from dashboard.simulation.reports.run_directory import Command, FoundRun
from dashboard.text.numbers import write_age

LOOK_SECONDS: Final = 0.5


class RunDesk:
    """Follows one run at a time. A run that goes on is taken up whenever it is found."""

    def __init__(
        self,
        source: LocalRuns,
        submitter: ServiceSubmitter,
        clock: Clock,
        rights: Rights | None = None,
    ) -> None:
        self.submitter = submitter
        self._rights = rights or Rights()
        self.run: FoundRun | None = None
        self.last: FoundRun | None = None
        self.starting = False
        self.problem: str | None = None
        self._source = source
        self._clock = clock
        self._looked_at: float | None = None
        self._own: set[str] = set()

    @property
    def refusal(self) -> str | None:
        """Why no run can be started or commanded here, None where it can."""
        return self._rights.find_refusal("traffic")

    @property
    def is_foreign(self) -> bool:
        """Whether the run goes on and was not started here."""
        run = self.run
        return run is not None and run.alive and run.identity.run_id not in self._own

    @property
    def report(self) -> RunReport | None:
        """The report of the run, None before there is one."""
        return self.run.snapshot.report if self.run else None

    @property
    def silence_seconds(self) -> float | None:
        """How old the figures of the run are, None where they are current or its last."""
        return self.run.measure_silence(self._clock.now()) if self.run else None

    def look(self) -> None:
        """Read the run's state, at most every half second."""
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if self.starting:
            self.run = self._source.find_started()
            if self.run is None:
                self.problem = self._source.read_failure()
            else:
                self._own.add(self.run.identity.run_id)
            self.starting = self.run is None and self.problem is None
            return
        if self.run is not None:
            self.run = self._source.read(self.run.identity.run_id) or self.run
        if self.run is None or not self.run.alive:
            # Also while one that has ended is looked at: what goes on is to be seen and stopped.
            self.last = self._source.find_last()
            if self.last is not None and self.last.alive:
                self.run = self.last

    def start(self, form: RunForm, board: str | None = None) -> None:
        """Start a run that reads a board's tops and ranks, those of `global` without one.

        Not where it is read-only; raises `ValueError` where the form is wrong.
        """
        if self.refusal is not None:
            return
        arguments = form.list_arguments()
        if board is not None:
            arguments.append(f"--board={board}")
        self.problem = None
        try:
            self._source.start(arguments)
        except OSError as error:
            self.problem = f"the run could not be started: {error}"
        else:
            self.run, self.starting = None, True

    def tell(self, command: Command) -> bool:
        """Send the run a command; False where none goes on."""
        if self.run is None or not self.run.alive or self.refusal is not None:
            return False
        try:
            self._source.tell(self.run.identity.run_id, command)
        except RunEnded:
            return False
        return True

    def dismiss(self) -> None:
        """Let go of a run that has ended."""
        if self.run is not None and not self.run.alive:
            self.last, self.run = self.run, None

    def show_last(self) -> None:
        """Look at the last run again."""
        if self.run is None and not self.starting:
            self.run = self.last

    def list_runs(self) -> list[FoundRun]:
        """Return the runs that can be looked at: the one that goes on, else those that ended."""
        runs = self._source.list_runs()
        return [run for run in runs if run.alive] or runs

    def find(self, run_id: str) -> FoundRun | None:
        """Return a run against this service by its id, None where it has left no trace."""
        runs = self._source.list_runs()
        return next((run for run in runs if run.identity.run_id == run_id), None)

    def show(self, run: FoundRun) -> None:
        """Look at a run, unless one is starting."""
        if not self.starting:
            self.run = run

    def describe(self) -> str:
        """Return the state of the run in a few words."""
        if self.starting:
            return "run starting"
        if self.run is None or not self.run.alive:
            return "no run"
        report = self.report
        if report is None:
            return "run: finding players"
        if self.silence_seconds is not None:
            return f"run: no figures for {write_age(self.silence_seconds)}"
        # The last answers come after the end.
        position = min(report.elapsed_seconds - report.paused_seconds, report.duration_seconds)
        return f"run: {report.state} {position:.0f}/{report.duration_seconds:.0f} s"
