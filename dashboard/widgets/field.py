"""A line that the operator writes."""

from typing import Any

from textual.reactive import reactive
from textual.widgets import Input


class Field(Input):
    """An input without a frame, in which any text is right. It is styled once, as it is mounted.

    Textual styles its own once more with each of the two classes that say so.
    """

    compact = reactive(True, toggle_class="-textual-compact")  # noqa: FBT003

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, compact=True, classes="-textual-compact -valid", **options)
