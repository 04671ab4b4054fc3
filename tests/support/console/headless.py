"""What Textual need not do in tests, where one process runs hundreds of apps without a terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import strip
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.app import App
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot


def share_parsed_rules(patch: pytest.MonkeyPatch) -> None:
    """Let each app find the rules that an earlier one has parsed from the same sources.

    Textual keeps them with the app, which is enough for a console: that is a process of its own.
    """
    parse, parse_rules = Stylesheet.parse, Stylesheet._parse_rules
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}
    sheets: dict[tuple[Any, ...], tuple[list[RuleSet], dict[str, list[RuleSet]]]] = {}

    def find_rules(self: Stylesheet, *source: Any, **more: Any) -> list[RuleSet]:
        key = (*source, *more.items(), *self._variables.items())
        if key not in parsed:
            parsed[key] = parse_rules(self, *source, **more)
        return parsed[key]

    def find_sheet(self: Stylesheet) -> None:
        key = (*self.source.items(), *self._variables.items())
        if key not in sheets:
            parse(self)
            sheets[key] = self._rules, self.rules_map
        self._rules, self._rules_map = sheets[key]
        self._require_parse = False

    patch.setattr(Stylesheet, "_parse_rules", find_rules)
    patch.setattr(Stylesheet, "parse", find_sheet)


class _Nothing:
    """A cache that keeps nothing."""

    def get(self, key: Any, default: Any = None) -> Any:
        return default

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def keep_no_pieces(patch: pytest.MonkeyPatch) -> None:
    """Cut each line that is drawn anew: few are ever drawn twice.

    To make the seven caches of a line took longer than what was found in them would have.
    """
    nothing = _Nothing()
    patch.setattr(strip, "FIFOCache", lambda _: nothing)


def leave_terminal_out(patch: pytest.MonkeyPatch) -> None:
    """Note what would be drawn anew, but draw nothing for a terminal that is not there.

    A headless app throws that away; `read_screen` draws what is read.
    """
    render_update = Compositor.render_update

    def note_only(self: Compositor, full: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002
        return render_update(self, full, **options) if full else None

    patch.setattr(Compositor, "render_update", note_only)


def read_screen(app: App[Any]) -> str:
    """Draw an app's screen in front, and what shows of those behind, and return that as text."""
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"


def begin_tasks_at_once(patch: pytest.MonkeyPatch) -> None:
    """Let tests run a console as `App.run` does, which `App.run_test` does not.

    From Python 3.12 on Textual has each task begin when it is made, so that much comes in another
    order; https://github.com/Textualize/textual/pull/6492.
    """
    run_test, make_eagerly = App.run_test, getattr(asyncio, "eager_task_factory", None)

    @asynccontextmanager
    async def run_eagerly(app: App[Any], **options: Any) -> AsyncIterator[Pilot[Any]]:
        asyncio.get_running_loop().set_task_factory(make_eagerly)
        async with run_test(app, **options) as pilot:
            yield pilot

    patch.setattr(App, "run_test", run_eagerly)
