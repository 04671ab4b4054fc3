"""Framed lines: what they cost while nothing changes."""

import pytest

from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.operating import open_console
from tests.support.console.service_peer import ServicePeer


@pytest.mark.parametrize("mode", ["live", "health"])
async def test_a_panel_in_which_nothing_changed_is_not_drawn_again(mode: str) -> None:
    async with open_console(ServicePeer(FrozenClock()), mode=mode) as operator:
        await operator.pass_time(4.0)
        screen = operator.console.screen
        operator.console.show()
        assert [panel.id for panel in screen.query(Panel) if panel._repaint_required] == []
