"""`leaderboard simulate` from this machine against a project's published port."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.containers.project import Project

_END_SECONDS = 300.0


@dataclass
class Load:
    """A run, and once it has ended its report."""

    process: subprocess.Popen[str]
    report: Any = None

    @property
    def ledger(self) -> tuple[int, int, int]:
        """How many acknowledged submits were lost, counted twice, and never sent."""
        ledger = self.report["ledger"]
        assert ledger is not None, self.report["ledger_problem"]
        return ledger["lost"], ledger["counted_twice"], ledger["unexpected"]

    def describe(self) -> str:
        total, submits = self.report["total"], self.report["submits"]
        errors = [
            f"{one['request']} {one['code']} x{one['count']}" for one in self.report["errors"]
        ]
        return (
            f"{total['started']} requests, {total['failed']} failed, {total['dropped']} dropped"
            f" {errors}; {submits['acknowledged']} submits acknowledged,"
            f" {submits['sent_again']} sent again; lost, twice, unexpected: {self.ledger}"
        )


@contextmanager
def send_traffic(project: Project, *options: str) -> Iterator[Load]:
    """Send traffic while the block runs, and compare the ledger with every answer at its end."""
    command = [sys.executable, "-m", "service.commands.main", "simulate", "--json"]
    process = subprocess.Popen(
        [*command, "--url", project.url, "--duration", "43200", *options],
        env={**os.environ, "LEADERBOARD_API_KEY": project.key},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    load = Load(process)
    try:
        yield load
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        output, problems = process.communicate(timeout=_END_SECONDS)
        assert output, problems
        load.report = json.loads(output)
    finally:
        process.kill()
        process.wait()
