"""A console that only looks: no action writes, and those that would say why they do not."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx
import pytest

from dashboard.client.gateway import READ_ONLY, BoardSeason, Gateway, GatewayError
from dashboard.client.rights import Right, Rights
from dashboard.client.submitter import ServiceSubmitter, SingleSubmit
from dashboard.keys.actions import Action
from dashboard.screens.console_screen import MODES, ConsoleScreen
from dashboard.screens.dialog import Dialog
from dashboard.screens.finder import FinderScreen
from tests.support.console.operating import Operator, look_up
from tests.support.console.service_peer import URL
from tests.support.console.simulating import (
    REASON,
    Simulating,
    make_report,
    open_simulate,
)


@asynccontextmanager
async def open_with_all_to_do(
    *, read_only: bool, goes_on: bool
) -> AsyncIterator[tuple[Simulating, Operator]]:
    """A console with a player looked up and a run, so that each action has something to do."""
    async with open_simulate(read_only=read_only) as simulating:
        operator = simulating.operator
        operator.peer.add_score(1, 500)
        if goes_on:
            simulating.runs.show(make_report())
            await simulating.look()
        await look_up(operator, "1")
        yield simulating, operator


async def list_actions(operator: Operator) -> list[tuple[str, Action]]:
    """Return all actions there are, each with a screen on which it is offered."""
    found: dict[str | None, tuple[str, Action]] = {}
    for mode, _ in MODES:
        await operator.console.switch_mode(mode)
        await operator.pass_time()
        for action in operator.console._list_actions(operator.console.screen):
            found.setdefault(action.binding.id, (mode, action))
    return list(found.values())


async def act(operator: Operator, mode: str, action: Action) -> ConsoleScreen:
    """Do one action on its screen, and go on with enter in whatever it opens."""
    console = operator.console
    await console.switch_mode(mode)
    console.clear_notifications()
    screen = console.screen
    assert isinstance(screen, ConsoleScreen)
    screen.set_focus(None)
    await operator.pass_time()
    await console.run_action(action.binding.action, action.node)
    await operator.pass_time()
    for _ in range(2):
        # What the finder does is done by the actions that it lists.
        if isinstance(console.screen, Dialog) and not isinstance(console.screen, FinderScreen):
            await operator.press("enter")
    return screen


async def leave(operator: Operator) -> None:
    """Close what an action has opened."""
    while not isinstance(operator.console.screen, ConsoleScreen):
        operator.console.pop_screen()
    await operator.pass_time()


def count_writes(simulating: Simulating) -> int:
    runs, peer = simulating.runs, simulating.operator.peer
    written = (runs.started, runs.told, simulating.submitter.submitted, peer.bodies, peer.revoked)
    return sum(len(part) for part in written)


@pytest.mark.parametrize("goes_on", [False, True])
async def test_whatever_writes_is_marked_and_refused_where_the_console_only_looks(
    *, goes_on: bool
) -> None:
    writing, marked = set(), set()
    async with open_with_all_to_do(read_only=False, goes_on=goes_on) as (simulating, operator):
        for mode, action in await list_actions(operator):
            if action.binding.action in {"quit", "save_screenshot", "app.focus_next"}:
                continue
            before = count_writes(simulating)
            screen = await act(operator, mode, action)
            if count_writes(simulating) > before:
                writing.add(action.binding.id)
            if screen.find_right(action.binding.action) is not None:
                marked.add(action.binding.id)
            await leave(operator)
            if operator.console.screen.query("Prompt.-asking"):
                await operator.press("escape")
    assert writing
    assert writing <= marked
    async with open_with_all_to_do(read_only=True, goes_on=goes_on) as (simulating, operator):
        for mode, action in await list_actions(operator):
            await operator.console.switch_mode(mode)
            front = operator.console.screen
            assert isinstance(front, ConsoleScreen)
            if front.find_right(action.binding.action) is not None:
                await act(operator, mode, action)
                assert operator.toasts == [f"Refused: {REASON}."], action.binding.id
                assert isinstance(operator.console.screen, ConsoleScreen)
                assert "(refused: read-only)" in action.description
        assert count_writes(simulating) == 0


def make_arguments(method: Callable[..., Any]) -> dict[str, Any]:
    """Return something for each parameter of a method, by its type."""
    made: dict[Any, Any] = {str: "revoke", int: 1, bool: False, BoardSeason: BoardSeason()}
    parameters = inspect.signature(method, eval_str=True).parameters.values()
    return {
        parameter.name: made.get(parameter.annotation, (1,) if "ids" in parameter.name else None)
        for parameter in parameters
    }


async def test_no_method_of_the_gateway_writes_what_is_refused() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return httpx.Response(418)

    methods = [
        name
        for name, method in inspect.getmembers(Gateway, inspect.iscoroutinefunction)
        if not name.startswith("_") and name != "close"
    ]
    writing = []
    for name in methods:
        codes = []
        for rights in (Rights(), Rights.of_reader(REASON)):
            sent.clear()
            gateway = Gateway(URL, httpx.MockTransport(answer), rights=rights)
            method = getattr(gateway, name)
            with pytest.raises(GatewayError) as refused:
                await method(**make_arguments(method))
            codes.append((refused.value.code, *sent))
            await gateway.close()
        if codes[0] == ("http_418", "GET"):
            assert codes[1] == codes[0]
        else:
            writing.append(name)
            assert codes[1] == (READ_ONLY,), name
    assert len(writing) >= 3


async def test_no_score_is_submitted_where_that_is_refused() -> None:
    # Nothing listens there: a request would be told apart by what became of it.
    submitter = ServiceSubmitter("http://127.0.0.1:1", rights=Rights.of_reader(REASON))
    answer = await submitter.submit(SingleSubmit(1, 5, "solo"), "key")
    assert (answer.accepted, answer.known, answer.text) == (False, True, REASON)


def test_each_right_is_refused_by_itself() -> None:
    rights: tuple[Right, ...] = get_args(Right)
    for right in rights:
        refused = Rights({right: REASON})
        assert [refused.find_refusal(other) for other in rights] == [
            REASON if other == right else None for other in rights
        ]
        assert not refused.are_none
    assert Rights.of_reader(REASON).are_none
