"""What is copied, in a real tmux: Debian's package `tmux`."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console.operating import watch_live
from tests.support.waiting import wait_until


@pytest.fixture
def tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server of its own, which the console is in; yields how to command it."""
    program = shutil.which("tmux")
    assert program is not None, "install the package tmux"
    command = [program, "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    plain = {name: value for name, value in os.environ.items() if name != "TMUX"}
    subprocess.run([*command, "new-session", "-d", "sleep 600"], env=plain, check=True)
    monkeypatch.setenv("TMUX", f"{tmp_path / 'socket'},1,0")
    yield command
    subprocess.run([*command, "kill-server"], check=True)


async def test_tmux_has_what_was_copied(tmux: list[str]) -> None:
    async with watch_live() as operator:
        await operator.press("down", "y")
        await wait_until(lambda: bool(operator.toasts))
        assert operator.toasts[0].startswith("Copied: 2 2 grace 8700")
    process = await asyncio.create_subprocess_exec(*tmux, "show-buffer", stdout=subprocess.PIPE)
    shown, _ = await process.communicate()
    assert shown.decode() == "2\t2\tgrace\t8700\tglobal"


async def test_a_tmux_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", f"{tmp_path / 'nobody'},1,0")
    async with watch_live() as operator:
        await operator.press("y")
        await wait_until(lambda: bool(operator.toasts))
        assert operator.toasts[0].startswith("Not copied. tmux: error connecting to")
