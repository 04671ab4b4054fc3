"""Consoles without a terminal."""

from collections.abc import Iterator

import pytest

from tests.support.console.headless import (
    begin_tasks_at_once,
    keep_no_pieces,
    leave_terminal_out,
    share_parsed_rules,
)


@pytest.fixture(scope="session", autouse=True)
def _headless() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_parsed_rules(patch)
        keep_no_pieces(patch)
        leave_terminal_out(patch)
        begin_tasks_at_once(patch)
        # Nobody's clipboard.
        patch.delenv("TMUX", raising=False)
        yield
