"""What Textual need not do in tests, where one process runs hundreds of apps without a terminal."""

from typing import Any

import pytest
from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.geometry import Region


def share_parsed_rules(patch: pytest.MonkeyPatch) -> None:
    """Let each app find the rules that an earlier one has parsed from the same source.

    Textual keeps them with the app, which is enough for a console: that is a process of its own.
    """
    parse_rules = Stylesheet._parse_rules
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}

    def find_rules(self: Stylesheet, *source: Any, **more: Any) -> list[RuleSet]:
        key = (*source, *more.items(), *self._variables.items())
        if key not in parsed:
            parsed[key] = parse_rules(self, *source, **more)
        return parsed[key]

    patch.setattr(Stylesheet, "_parse_rules", find_rules)


def leave_terminal_out(patch: pytest.MonkeyPatch) -> None:
    """Draw every widget, but do not put them together for a terminal that is not there.

    A headless app throws that away. `Operator.screen_text` puts them together when it is read.
    """
    render_update = Compositor.render_update

    def draw_widgets(self: Compositor, full: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002
        if full:
            return render_update(self, full, **options)
        visible_screen_stack.set(options.get("screen_stack") or [])
        crop = Region.from_union(self._dirty_regions) if self._dirty_regions else None
        self._dirty_regions.clear()
        if crop is not None:
            for _ in self._get_renders(crop.intersection(self.size.region)):
                pass
        return None

    patch.setattr(Compositor, "render_update", draw_widgets)
