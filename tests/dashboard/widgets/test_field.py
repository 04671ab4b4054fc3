"""Lines that the operator writes: what they cost."""

from typing import Any

import pytest
from textual.dom import DOMNode
from textual.widgets import Input

from dashboard.app import Console
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import open_console
from tests.support.console.service_peer import ServicePeer


@pytest.mark.parametrize("mode", ["live", "simulate"])
async def test_a_field_is_styled_once_as_it_is_mounted(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_styles, updated = Console.update_styles, []

    def note(console: Console, node: DOMNode, **options: Any) -> None:
        updated.append(node)
        update_styles(console, node, **options)

    monkeypatch.setattr(Console, "update_styles", note)
    async with open_console(ServicePeer(FrozenClock()), mode=mode) as operator:
        await operator.pass_time()
        fields = operator.console.screen.query(Input)
        assert len(fields) > 0
        assert [node for node in updated if isinstance(node, Input)] == []
