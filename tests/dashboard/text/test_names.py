import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dashboard.text.names import clean_name, fit_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ada", "ada"),
        ("[/x]", "[/x]"),
        ("[@click=app.quit]x[/]", "[@click=app.quit]x[/]"),
        ("\x1b[2J\x1b]0;pwned\x07", "␛[2J␛]0;pwned␇"),
        ("a\r\nb\tc\x7f", "a␍␊b␉c␡"),
        ("\x9b31m", "\ufffd31m"),
        ("\u202eevil\u202c", "evil"),
        ("line\u2028break\u2029", "line\ufffdbreak\ufffd"),
        ("e\u0301", "é"),
        ("z" + "\u0335" * 50, "z" + "\u0335" * 2),
        ("👩\u200d🚀", "👩🚀"),
        ("no\u00a0break", "no break"),
        ("   ", "(blank)"),
        ("\u200b\u200d", "\ufffd"),
        ("\u200d", "(blank)"),
        ("שלום", "שלום"),
    ],
)
def test_clean_name(name: str, shown: str) -> None:
    assert clean_name(name) == shown


@given(st.text(min_size=1, max_size=255), st.integers(min_value=1, max_value=80))
def test_fit_name_takes_exactly_its_cells_and_obeys_nothing(name: str, width: int) -> None:
    shown = fit_name(name, width)
    assert cell_len(shown) == width
    assert all(unicodedata.category(character) not in {"Cc", "Cf", "Cs"} for character in shown)


def test_fit_name_never_cuts_a_wide_character_in_half() -> None:
    assert fit_name("漢字漢字", 6) == "漢字… "
    assert fit_name("漢字漢字", 8) == "漢字漢字"
    assert fit_name("x" * 255, 10) == "xxxxxxxxx…"
