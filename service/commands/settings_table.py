"""The table of settings in service/README.md, out of `service/settings/settings.py`.

`python -m service.commands.settings_table service/README.md` writes it between the marks in there.
"""

import ast
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined

from service.settings.limits import describe_limits
from service.settings.settings import Settings, environment_name

BEGIN: Final = (
    "<!-- settings: written by `python -m service.commands.settings_table service/README.md` -->\n"
)
END: Final = "<!-- end of settings -->\n"


def make_settings_table() -> str:
    """Return a Markdown table: every setting's variable, default, allowed values and meaning."""
    meanings = _read_meanings()
    lines = ["| variable | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for field, info in Settings.model_fields.items():
        cells = (
            f"`{environment_name(field)}`",
            _describe_default(info.get_default(call_default_factory=True)),
            describe_limits(info.annotation, info.metadata),
            meanings[field],
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def insert_table(text: str) -> str:
    """Return a document with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{make_settings_table()}\n{END}{after}"


def _read_meanings() -> dict[str, str]:
    """Return the docstring below each field; Python itself does not keep it."""
    module = ast.parse(Path(sys.modules[Settings.__module__].__file__ or "").read_text("utf-8"))
    (body,) = (
        node.body
        for node in module.body
        if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
    )
    meanings = {}
    for field, docstring in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(docstring, ast.Expr):
            assert isinstance(field.target, ast.Name)
            meanings[field.target.id] = " ".join(ast.literal_eval(docstring.value).split())
    return meanings


def _describe_default(default: Any) -> str:
    if default in (None, PydanticUndefined):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(insert_table(document.read_text("utf-8")), "utf-8")
