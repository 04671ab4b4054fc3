"""What is copied, where tmux stands between the console and the terminal.

A terminal is told by a control sequence, which tmux throws away unless it was set up to take it.
"""

import asyncio
import os
import subprocess
from typing import Final

_PATIENCE_SECONDS: Final = 2.0

_COMMAND: Final = ("tmux", "load-buffer", "-w", "-")
"""Puts what it reads into tmux's own buffer, and into the clipboard of the terminal around it."""


class NotCopied(Exception):
    """tmux did not take the text; the message says why."""


def is_in_tmux() -> bool:
    """Return whether the console runs in tmux."""
    return bool(os.environ.get("TMUX"))


async def copy_in_tmux(text: str) -> None:
    """Have tmux copy a text; raises `NotCopied`."""
    try:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise NotCopied(f"tmux cannot be run: {error.strerror}") from error
    try:
        _, complaint = await asyncio.wait_for(process.communicate(text.encode()), _PATIENCE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotCopied("tmux does not answer") from None
    if process.returncode:
        reason = complaint.decode(errors="replace").strip() or f"exit status {process.returncode}"
        raise NotCopied(f"tmux: {reason}")
