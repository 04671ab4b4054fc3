"""Terminals with few colours or none, with ASCII alone, and small ones."""

import pytest
from rich.style import Style

from dashboard.widgets.panel import Panel
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.moderating import LOG, make_peer
from tests.support.console.operating import Operator, look_up, open_console, watch_live
from tests.support.console.service_peer import ServicePeer
from tests.support.console.simulating import Runs, open_simulate
from tests.support.console.waits import make_waits

SCREENS = ("f1", "f2", "f3", "f4")


def find_styles(operator: Operator, text: str) -> list[Style]:
    """Return how a text is drawn, wherever it is drawn as one piece."""
    strips = operator.console.screen._compositor.render_strips()
    found = [segment.style for strip in strips for segment in strip if text in segment.text]
    return [style for style in found if style is not None]


@pytest.mark.parametrize("no_color", [False, True])
async def test_bad_is_reversed_whatever_the_colours(
    monkeypatch: pytest.MonkeyPatch,
    no_color: bool,  # noqa: FBT001
) -> None:
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    async with watch_live() as operator:
        operator.peer.away = {"redis", "postgresql"}
        await operator.pass_time(4.0)
        for screen in SCREENS:
            await operator.press(screen)
            verdict = find_styles(operator, "✕ PostgreSQL away")
            assert len(verdict) == 2
            assert all(style.reverse and style.bold for style in verdict)
        away = find_styles(operator, "✕ away")
        assert len(away) == 2
        assert all(style.reverse for style in away)
        ok = find_styles(operator, "✓ ok")
        assert ok
        assert not any(style.reverse for style in ok)


async def test_a_player_who_fell_is_not_marked_as_bad() -> None:
    async with watch_live() as operator:
        operator.peer.add_score(5, 5_000)
        await operator.pass_time(2.0)
        fell = find_styles(operator, "▼1")
        assert fell
        assert not any(style.reverse for style in fell)


async def test_a_terminal_of_ascii_alone_gets_nothing_else() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores[0] = (1, "漢字", 9_400)
    async with open_console(peer, (80, 24), plain_marks=True) as operator:
        await operator.pass_time()
        operator.peer.away = {"redis"}
        operator.peer.add_score(5, 5_000)
        await operator.pass_time(4.0)
        for screen in SCREENS:
            await operator.press(screen)
            assert operator.screen_text.isascii()
            assert " X Redis away " in operator.screen_text
            await operator.press("escape")
        assert "| X away" in operator.screen_text
        assert "| + ok 2.5 ms round trip" in operator.screen_text
        assert "| ? unknown" in operator.screen_text
        assert "enter Why" in operator.screen_text
        await operator.press("question_mark")
        assert operator.screen_text.isascii()
        await operator.press("escape", "f1", "question_mark")
        for name in ("up k ", "down j ", "enter "):
            assert f"|   {name}" in operator.screen_text


async def test_in_ascii_a_rank_is_written_and_nothing_known_is_a_question() -> None:
    async with open_console(ServicePeer(FrozenClock()), (80, 24), plain_marks=True) as operator:
        await look_up(operator, "donald")
        await operator.pass_time(2.0)
        assert "#5 of 9 players" in operator.screen_text
        assert "percentile 55.56" in operator.screen_text
        await operator.press("f3")
        assert "< open >" in operator.screen_text
        assert "?" not in operator.screen_text.replace("? Keys", "")


async def test_a_slim_terminal_has_one_below_the_other_what_else_is_side_by_side() -> None:
    async with watch_live(size=(60, 48)) as operator:
        for screen in SCREENS:
            await operator.press(screen)
            lines = operator.screen_text.splitlines()
            assert all(title in lines[0] for title in ("Live", "Player", "Simulate", "Health"))
            assert "Too small" not in operator.screen_text
        tiles = [line for line in operator.screen_text.splitlines() if " ok " in line]
        assert [line.count(" ok ") for line in tiles] == [2, 2, 2]
        assert "│ Mode   empty means solo " not in operator.screen_text
        await operator.press("f3")
        assert "│ Mode   empty means solo " in operator.screen_text
        assert "mode up to 50 letters" in operator.screen_text
        await look_up(operator, "donald")
        await operator.press("c")
        await operator.type("ada")
        await operator.press("enter")
        facts = operator.read("#first .facts-below") + operator.read("#second .facts-below")
        assert "points" in facts
        assert "…" not in operator.screen_text.split("Neighbours")[0]
        await operator.press("f4")
        for key, closing in (("slash", "escape"), ("question_mark", "escape"), ("b", "escape")):
            await operator.press(key)
            frame = next(line for line in operator.screen_text.splitlines() if "╮" in line)
            assert frame.endswith("╮")
            await operator.press(closing)
        await operator.resize(60, 37)
        assert "Too small: this terminal has 60x37" in operator.screen_text


async def test_a_small_terminal_says_so_and_what_is_wrong() -> None:
    async with watch_live(size=(60, 20)) as operator:
        for screen in SCREENS:
            await operator.press(screen)
            assert "Too small: this terminal has 60x20" in operator.screen_text
            assert "and the console needs 80x24" in operator.screen_text
        operator.peer.away = {"postgresql"}
        await operator.pass_time(4.0)
        assert "✕ PostgreSQL away" in operator.screen_text
        await operator.resize(80, 24)
        assert "Too small" not in operator.screen_text
        assert "Flow of scores" in operator.screen_text
        await operator.resize(80, 23)
        assert "Too small: this terminal has 80x23" in operator.screen_text


async def test_a_maximised_panel_has_the_width_and_leaves_what_is_wrong_in_sight() -> None:
    for size in ((120, 36), (80, 24), (60, 48)):
        async with watch_live(size=size) as operator:
            operator.peer.away = {"worker"}
            await operator.pass_time(6.0)
            await look_up(operator, "donald")
            await operator.press("tab", "tab", "m")
            panel = operator.console.screen.maximized
            assert panel is not None
            assert panel.outer_size.width == size[0]
            assert "back to all panels" in " ".join(operator.screen_text.split())
            assert "✕ Worker away" in operator.screen_text


async def test_dialogs_cut_nothing_in_sixty_columns() -> None:
    peer = make_peer()
    long_id = "5f0c" * 20
    slow = make_waits()
    slow["slow"][0]["request_id"] = long_id
    peer.answers["/api/ops/waits"] = slow
    peer.answers["/api/moderation"] = {"entries": LOG, "next": 9}
    async with watch_live(peer, size=(60, 48)) as operator:
        for key in ("W", "L"):
            await operator.press(key)
            dialog = operator.console.screen.query_one(".frame", Panel)
            assert "…" not in dialog.text.replace("… asking", "")
            assert all(len(line) <= 54 for line in dialog.text.splitlines())
            if key == "W":
                assert long_id in "".join(dialog.text.split())
            await operator.press("escape")
        await look_up(operator, "2")
        await operator.press("w")
        explained = operator.read("#why")
        assert all(len(line) <= 58 for line in explained.splitlines())
        assert "equals share a rank" in " ".join(explained.split())


async def test_nothing_that_writes_starts_where_it_could_not_be_seen() -> None:
    runs = Runs()
    async with open_simulate(runs, size=(60, 20)) as simulating:
        operator = simulating.operator
        await operator.press("s")
        assert runs.started == []
        assert "Nothing that writes starts from here." in operator.screen_text
        assert "✕ Start" in operator.screen_text.splitlines()[-1]
        await operator.resize(80, 24)
        assert "✕ Start" not in operator.screen_text
        await operator.press("s")
        assert len(runs.started) == 1


@pytest.mark.parametrize("keys", [("slash",), ("down", "w"), ("L",), ("W",)])
async def test_a_dialog_in_a_terminal_of_a_few_columns_does_not_fail(keys: tuple[str, ...]) -> None:
    peer = make_peer()
    peer.answers["/api/moderation"] = {"entries": LOG, "next": None}
    peer.answers["/api/ops/waits"] = make_waits()
    async with watch_live(peer, size=(80, 24)) as operator:
        await operator.press(*keys)
        for width in (17, 6):
            await operator.resize(width, 24)
            await operator.pass_time(2.0)
        assert operator.toasts == []
        await operator.press("escape", *keys)
        assert operator.toasts == []
        await operator.resize(80, 24)
