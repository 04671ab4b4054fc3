import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dashboard.text.names import clean_name
from dashboard.text.wrapping import wrap_text

TEXTS = st.text(st.sampled_from("ab 漢👩é\u0335-"), max_size=120)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("ada", ["ada"]),
        ("ada beats grace", ["ada beats", "grace"]),
        ("ada  and", ["ada  and"]),
        ("a 漢字漢字 b", ["a 漢字漢字", "b"]),
        ("aa 漢字漢字 b", ["aa", "漢字漢字 b"]),
        ("漢字漢字漢字", ["漢字漢字漢", "字"]),
        ("0123456789abc d", ["0123456789", "abc d"]),
        ("start --api-key", ["start", "--api-key"]),
        ("0123456789 \u0335", ["0123456789", "\u0335"]),
    ],
)
def test_lines_are_measured_in_cells(text: str, lines: list[str]) -> None:
    assert wrap_text(text, 10) == tuple(lines)


def test_a_widget_without_a_place_has_its_text_on_one_line() -> None:
    assert wrap_text("ada beats grace", 0, most=1) == ("ada beats grace",)


@pytest.mark.parametrize(
    ("most", "lines"),
    [
        (1, ["the…; r: now"]),
        (2, ["the service", "is n…; r: now"]),
        (3, ["the service", "is not there;", "r: now"]),
        (4, ["the service", "is not there;", "r: now"]),
    ],
)
def test_what_is_said_last_stays(most: int, lines: list[str]) -> None:
    assert wrap_text("the service is not there", 13, most=most, last="; r: now") == tuple(lines)


@given(TEXTS, st.integers(min_value=2, max_value=40))
def test_no_word_is_lost_and_no_line_too_long(text: str, room: int) -> None:
    cleaned = clean_name(text)
    lines = wrap_text(cleaned, room)
    assert all(cell_len(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(cleaned.split())


@given(TEXTS, st.integers(min_value=10, max_value=40), st.integers(min_value=1, max_value=4))
def test_what_is_cut_says_so(text: str, room: int, most: int) -> None:
    cleaned = clean_name(text)
    lines = wrap_text(cleaned, room, most=most, last=" (r: now)")
    assert len(lines) <= most
    assert all(cell_len(line) <= room for line in lines)
    shown = "".join("".join(lines).split())
    whole = "".join(f"{cleaned} (r: now)".split())
    assert shown.endswith("(r:now)")
    assert (shown == whole) is (len(wrap_text(f"{cleaned} (r: now)", room)) <= most)
    assert shown == whole or "…" in shown
