"""Marks in ASCII: when, and that each keeps its width and what it tells."""

import os
import subprocess
import sys

import pytest
from rich.cells import cell_len

from dashboard.text.plain_marks import needs_plain_marks, write_plain


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C.utf8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        # As Python makes it of the first of these.
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_ALL": ""}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}, False),
    ],
)
def test_terminals_that_know_ascii_alone(environ: dict[str, str], plain: bool) -> None:  # noqa: FBT001
    assert needs_plain_marks(environ) is plain


@pytest.mark.parametrize(
    "text",
    [
        "✓ ok ✕ away ▲ over ? unknown",
        "╭─ Redis ─╮│▁▂▃▄▅▆▇█│╰─",
        "⠀⡏⠉",
        "漢字 👩🚀",
        "“x” \u2212 … » ⏎",
    ],
)
def test_a_text_in_ascii_takes_as_many_cells(text: str) -> None:
    plain = write_plain(text)
    assert plain.isascii()
    assert len(plain) == cell_len(text)


def test_no_two_marks_of_one_meaning_look_alike() -> None:
    for marks in ("✓✕▲?", "…○●■◐▲◆✕!‖", "▲▼●=", "▁▂▃▄▅▆▇█"):
        assert len(set(write_plain(marks))) == len(marks)


def test_python_in_the_locale_c_is_no_sign_of_a_better_terminal() -> None:
    script = (
        "import os; from dashboard.text.plain_marks import needs_plain_marks; "
        "print(needs_plain_marks(os.environ))"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    command = [sys.executable, "-c", script]
    ran = subprocess.run(
        command, env=environ | {"LANG": "C", "TERM": "xterm"}, capture_output=True, check=True
    )
    assert ran.stdout == b"True\n"
